// Actions by their usual names, for apps.
import type { Action } from '../ofproto/actions/index.ts'
import type { Subfield } from '../ofproto/fields/subfield.ts'
import type { FieldName, ValueOf } from '../ofproto/fields/table.ts'
import { OUTPORT, TRACKED_ZONE, ZONE_BITS } from './pipeline/registers.ts'
import type { FlowAction } from './pipeline/stage-action.ts'

/** Sets a whole field. */
export function set<N extends FieldName>(field: N, value: ValueOf<N>): Action {
  return { kind: 'set_field', field: { kind: field, value, mask: null } } as Action
}

export function output(port: number): Action {
  return { kind: 'output', port, maxLength: 0 }
}

/** To the port whose number the field holds. */
export function outputTo(field: FieldName): Action {
  return { kind: 'output_reg', source: { field, start: 0, bits: 32 }, maxLength: 0 }
}

/** Sets some bits of a field. */
export function load(target: Subfield, value: number): Action {
  return { kind: 'load', target, value: BigInt(value) }
}

/** Looks the packet up in a stage and comes back. */
export const resubmit = (stage: string): FlowAction => ({ kind: 'resubmit_stage', stage })

/** Looks a copy of the packet up in a stage: what becomes of it there, also by a meter, is its own affair. */
export const apart = (stage: string): FlowAction => ({ kind: 'clone_stage', stage })

/** Connection tracking: the packet goes on in the stage, with the state of its connection in the zone of ZONE. */
export const track = (stage: string): FlowAction => ({ kind: 'ct_stage', stage, zone: ZONE_BITS })

/** The same in a zone of its own: new connections are remembered there. */
export const trackNew = (zone: number, stage: string): FlowAction => ({ kind: 'ct_stage', stage, zone, commit: true })

const nat = { kind: 'nat', side: null, persistent: false, hash: false, random: false } as const
const noRange = { ipv4: null, ipv6: null, ports: null } as const

/** Source NAT: the packets of a connection get this source, and ports that tell connections apart. */
export const translateSource = (zone: number, stage: string, address: number): FlowAction => ({
  kind: 'ct_stage',
  stage,
  zone,
  commit: true,
  nat: { ...nat, ...noRange, side: 'src', ipv4: { min: address, max: null } },
})

/** What answers to translated packets gets its destination back. */
export const translateBack = (zone: number, stage: string): FlowAction => ({
  kind: 'ct_stage',
  stage,
  zone,
  nat: { ...nat, ...noRange },
})

/** Tracks a packet in a zone, without any change. */
export const look = (zone: number, stage: string): FlowAction => ({ kind: 'ct_stage', stage, zone })

/** From here on the packet is of no connection that is known. */
export const untrack: Action = { kind: 'ct_clear' }

/** Remembers a connection before the packet, or a copy of it, leaves the reach of the rules that have let it pass. */
export const remember: readonly FlowAction[] = [set(OUTPORT, 0), resubmit('commit')]

/** Remembers the packet's connection where it was tracked. `alg`: the port of a protocol whose helper watches it (21 FTP, 69 TFTP). */
export function commit(alg: number, actions: readonly Action[]): Action {
  return { kind: 'ct', commit: true, force: false, zone: 0, zoneSource: TRACKED_ZONE, table: null, alg, actions }
}

/** To the controller, as a packet-in with the flow's cookie. */
export const punt: Action = { kind: 'output', port: 0xffff_fffd, maxLength: 0xffff }
/** A copy to the controller, as far as the meter lets it; the packet goes on in any case. */
export const tell = (meter: number): Action => ({
  kind: 'controller2',
  maxLength: 0xffff,
  controllerId: 0,
  reason: 1,
  userdata: new Uint8Array(),
  pause: false,
  meter,
})
/** Back to where the packet came from. */
export const bounce: Action = { kind: 'output', port: 0xffff_fff8, maxLength: 0 }

/** Copies all bits of a field to the low bits of another one. */
export function move(from: FieldName, to: FieldName, bits: number): Action {
  return { kind: 'move', source: { field: from, start: 0, bits }, target: { field: to, start: 0, bits } }
}
export const decrementTtl: Action = { kind: 'dec_ttl' }
