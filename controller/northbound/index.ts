// The northbound API: what the composition root and the readers of intent use.
export { refuseOpenListener } from './auth.ts'
export { type Credentials, hashSecret, parseCredentials } from './credentials.ts'
export type { LiveAgent, LiveChange, LiveState, Status, WaitRealized } from './live.ts'
export * from './model.ts'
export type { Counters, Counts, Explanation, HostFlow, Operator } from './operator.ts'
export type { Settings } from './resource.ts'
export { createNorthbound, defaultSettings, type NorthboundOptions } from './server.ts'
export { serveSocket } from './socket.ts'
