// A cookie leads from a flow to the app and the object that caused it: 8 bits that say Weft, 8 of the app, 48 of the
// object's UUID. A flow without Weft's 8 bits is somebody else's.
import { hexBits } from './hex.ts'

const WEFT = 0x57n

export interface Origin {
  readonly app: string
  /** The UUID of the object. */
  readonly object: string
}

export const isOurs = (cookie: bigint): boolean => cookie >> 56n === WEFT

/** What of an object's UUID stands in a cookie: the first 12 hexadecimal digits. */
export const objectDigits = (uuid: string): string => uuid.replaceAll('-', '').slice(0, 12)

/** `apps`: the names in an order that never changes for a released app. */
export function cookieOf(origin: Origin, apps: readonly string[]): bigint {
  const app = apps.indexOf(origin.app)
  if (app < 0 || app > 0xff) throw new RangeError(`unknown app '${origin.app}'`)
  return (WEFT << 56n) | (BigInt(app) << 48n) | BigInt(hexBits(origin.object, 0, 12))
}

/** The app's name and the first 12 hexadecimal digits of the object's UUID; null for a foreign cookie. */
export function originOf(cookie: bigint, apps: readonly string[]): { app: string; object: string } | null {
  const app = apps[Number((cookie >> 48n) & 0xffn)]
  if (!isOurs(cookie) || app === undefined) return null
  return { app, object: (cookie & 0xffff_ffff_ffffn).toString(16).padStart(12, '0') }
}
