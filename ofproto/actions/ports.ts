// Port numbers in actions. Values hold the 32-bit numbers of OpenFlow 1.1 and later everywhere; Nicira actions carry 16
// bits, in which the reserved ports from 0xff00 stand for those from 0xffffff00.
import { MAX_10, OFFSET, parsePort } from '../fields/ports.ts'
import { fixed, type Fixed } from '../wire/struct.ts'

/** A 16-bit port number on the wire. */
export const port16: Fixed<number> = fixed(
  2,
  (at) => `(v.getUint16(${at}) < ${MAX_10} ? v.getUint16(${at}) : v.getUint16(${at}) + ${OFFSET})`,
  (at, x) => `v.setUint16(${at}, ${x} & 0xffff)`,
)

/** The port that `text` names, null if it names none. */
export function portFromText(text: string): number | null {
  try {
    return parsePort(text)
  } catch {
    return null
  }
}
