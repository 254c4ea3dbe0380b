// What Weft wants on a switch: flows, groups and meters as immutable values with their wire bytes, made once and shared
// by every host that carries them.

export interface Flow {
  readonly kind: 'flow'
  /** Identity on a switch (OpenFlow 1.3.5 §6.4): table, priority and match. */
  readonly key: string
  /** The OFPT_FLOW_MOD that adds it, xid 0. */
  readonly frame: Uint8Array
}

export interface Group {
  readonly kind: 'group'
  /** `group:N` */
  readonly key: string
  readonly id: number
  /** The OFPT_GROUP_MOD that adds it, xid 0. */
  readonly frame: Uint8Array
}

export interface Meter {
  readonly kind: 'meter'
  /** `meter:N` */
  readonly key: string
  readonly id: number
  /** The OFPT_METER_MOD that adds it, xid 0. */
  readonly frame: Uint8Array
}

/** One thing on a switch, told apart by `key`. */
export type Item = Flow | Group | Meter
