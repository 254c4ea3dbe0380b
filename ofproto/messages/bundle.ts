// Bundles: changes that a switch applies all or none of them, at one moment. OpenFlow 1.3 has them as an extension of the
// ONF (EXT-230). The message that carries a message, bundle_add, is in codec.ts, since it can carry any of them.
import { errorCodes } from '../wire/errors.ts'
import { oneOf, rest, u16, u32 } from '../wire/struct.ts'
import { extension, ONF } from './frame.ts'

export const bundleFlags = { atomic: 1 << 0, ordered: 1 << 1 } as const

const types = {
  open_request: 0,
  open_reply: 1,
  close_request: 2,
  close_reply: 3,
  commit_request: 4,
  commit_reply: 5,
  discard_request: 6,
  discard_reply: 7,
} as const
export type BundleControlType = keyof typeof types

export const bundleControl = extension('bundle_control', ONF, 2300, {
  bundle: u32,
  type: oneOf(u16, types, errorCodes.badBundleType, 'bundle control type'),
  flags: u16,
  /** Properties, of which none is defined. */
  properties: rest,
})
