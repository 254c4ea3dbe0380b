// Packets as OVS's flow tables see them.
export { Cursor } from './cursor.ts'
export { extractFlow, skipExtensions } from './extract.ts'
export { formatPacket, keyMatch } from './format.ts'
export type { FlowKey, NshKey } from './key.ts'
