// Every action: the union of what the families declare. One kind is one layout on the wire.
import type { ControllerAction } from './controller.ts'
import type { Clone, Ct } from './ct.ts'
import type { EncapAction } from './encap.ts'
import type { HeaderAction } from './headers.ts'
import type { LearnAction } from './learn.ts'
import type { MiscAction } from './misc.ts'
import type { MoveAction } from './move.ts'
import type { NatAction } from './nat.ts'
import type { OutputAction } from './output.ts'
import type { SampleAction } from './sample.ts'
import type { SelectAction } from './select.ts'
import type { SetFieldAction } from './set-field.ts'
import type { TableAction } from './tables.ts'

/** An action of another vendor or version, or one that names a field unknown here, as it stood on the wire. */
export interface UnknownAction {
  readonly kind: 'unknown'
  /** Header included, a multiple of 8 bytes. */
  readonly bytes: Uint8Array
}

export type KnownAction =
  | OutputAction
  | ControllerAction
  | HeaderAction
  | SetFieldAction
  | MoveAction
  | TableAction
  | LearnAction
  | SelectAction
  | Ct
  | { readonly kind: 'ct_clear' }
  | NatAction
  | Clone
  | EncapAction
  | SampleAction
  | MiscAction
export type Action = KnownAction | UnknownAction
