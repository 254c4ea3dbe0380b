// Agreeing on a version (OpenFlow 1.3.5 §6.3.1). We speak 1.3 alone.
import type { ErrorMessage, Hello } from '../messages/immutable.ts'
import { errorCodes } from '../wire/errors.ts'

/** OpenFlow 1.3 on the wire. */
export const VERSION = 4

export const ourHello = (xid: number): Hello => ({
  kind: 'hello',
  version: VERSION,
  xid,
  elements: [{ kind: 'version_bitmap', bitmaps: [1 << VERSION] }],
  rest: new Uint8Array(0),
})

/** Whether the peer can speak 1.3: as its bitmap says, or, without one, if 1.3 is not above the version it offers. */
export function agrees(hello: Hello): boolean {
  for (const element of hello.elements)
    if (element.kind === 'version_bitmap') return ((element.bitmaps[0] ?? 0) & (1 << VERSION)) !== 0
  return hello.version >= VERSION
}

/** What a peer is told with which there is no common version. */
export function incompatible(hello: Hello): ErrorMessage {
  const { type, code } = errorCodes.helloIncompatible
  const data = new TextEncoder().encode('only OpenFlow 1.3 (0x04) is supported')
  return { kind: 'error', version: VERSION, xid: hello.xid, type, code, experimenter: null, data }
}
