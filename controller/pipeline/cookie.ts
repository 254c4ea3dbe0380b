// A cookie leads from a flow to the app and the object that caused it: 8 bits that say Weft, 8 of the app, 48 of the
// object's UUID. A flow without Weft's 8 bits is somebody else's.
import { hexBits } from './hex.ts'

const WEFT = 0x57n

/** The bits that say whose app's a flow is, and all of them. */
export const cookieMasks = { app: 0xffff_0000_0000_0000n, all: 0xffff_ffff_ffff_ffffn } as const

export interface Origin {
  readonly app: string
  /** The UUID of the object. */
  readonly object: string
}

export const isOurs = (cookie: bigint): boolean => cookie >> 56n === WEFT

/** What of an object's UUID stands in a cookie: the first 12 hexadecimal digits. */
export const objectDigits = (uuid: string): string => uuid.replaceAll('-', '').slice(0, 12)
/** The same as bits. */
export const objectBits = (uuid: string): bigint => BigInt(hexBits(uuid, 0, 12))
const OBJECT = 0xffff_ffff_ffffn
export const objectIn = (cookie: bigint): bigint => cookie & OBJECT

/** `apps`: the names in an order that never changes for a released app. */
export function cookieOf(origin: Origin, apps: readonly string[]): bigint {
  const app = apps.indexOf(origin.app)
  if (app < 0 || app > 0xff) throw new RangeError(`unknown app '${origin.app}'`)
  return (WEFT << 56n) | (BigInt(app) << 48n) | objectBits(origin.object)
}

/** The place of the app among all; null for a foreign cookie. */
export function appIn(cookie: bigint): number | null {
  const head = Number(cookie >> 48n)
  return head >> 8 === Number(WEFT) ? head & 0xff : null
}

/** The first 12 hexadecimal digits of the object's UUID. */
export const objectDigitsIn = (cookie: bigint): string => objectIn(cookie).toString(16).padStart(12, '0')

/** The app's name and the digits of the object; null for a foreign cookie. */
export function originOf(cookie: bigint, apps: readonly string[]): { app: string; object: string } | null {
  const app = apps[appIn(cookie) ?? -1]
  return app === undefined ? null : { app, object: objectDigitsIn(cookie) }
}
