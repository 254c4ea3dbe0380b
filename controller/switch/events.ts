// What a switch session tells the one that owns it.
import type { ErrorFrame } from './flight.ts'
import type { Held, Verb } from './wire.ts'

export type SwitchEvent =
  /** The switch answered a role request, or was told by another controller that it is its primary. */
  | { readonly kind: 'role'; readonly role: 'primary' | 'standby' }
  /** The switch has been read after connecting: `kept` items were as they should be; what differs is now being sent. */
  | {
      readonly kind: 'synchronized'
      readonly kept: number
      readonly missing: number
      readonly changed: number
      readonly unexpected: number
    }
  /** The switch has all that was desired at this revision, but for what it refused. */
  | { readonly kind: 'confirmed'; readonly revision: number }
  /** The switch answered an item with an error; the rest goes on. */
  | {
      readonly kind: 'refused'
      readonly verb: Verb
      readonly held: Held
      readonly error: ErrorFrame
      readonly times: number
      readonly retryInMs: number
    }
  /** An item that had been refused is now as desired. */
  | { readonly kind: 'recovered'; readonly key: string }
  /** Somebody else changed what is Weft's; the repair is under way. */
  | {
      readonly kind: 'drift'
      readonly missing: readonly Held[]
      readonly changed: readonly { readonly held: Held; readonly found: Held }[]
      readonly unexpected: readonly Held[]
    }
  /** What others have on the switch is no longer what was reported last. `count` may be more than is described. */
  | { readonly kind: 'foreign'; readonly count: number; readonly items: readonly Held[] }
  /** An error that answers nothing in flight. */
  | { readonly kind: 'stray_error'; readonly error: ErrorFrame }
  /** The switch does not answer: its connection is to be closed. */
  | { readonly kind: 'stalled'; readonly waitedMs: number }

/** Since the session was made; messages that were sent, whatever came of them. */
export interface SwitchCounters {
  flowMods: number
  groupMods: number
  meterMods: number
  bundles: number
  errors: number
  audits: number
}
