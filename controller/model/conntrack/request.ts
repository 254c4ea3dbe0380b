// What a ct action asks conntrack for, once the actions nested in it have run on the packet.
import { fullMask, ones, toBits } from '../../../ofproto/fields/bits.ts'
import type { Action } from '../../../ofproto/actions/index.ts'
import type { Subfield } from '../../../ofproto/fields/subfield.ts'
import { fieldOf } from '../../../ofproto/fields/table.ts'
import type { ModelPacket } from '../packet.ts'
import type { TrackRequest } from './conntrack.ts'
import { helperOf } from './expect.ts'
import type { NatRequest } from './nat.ts'

type Ct = Extract<Action, { readonly kind: 'ct' }>
type Noted = 'ct_mark' | 'ct_label'

const maskOf = ({ start, bits }: Subfield): bigint => ones(bits) << BigInt(start)

/** The bits of a field that an action writes. */
function written(action: Action, field: Noted): bigint {
  switch (action.kind) {
    case 'set_field':
    case 'reg_load2':
      if (action.field.kind !== field) return 0n
      return action.field.mask === null ? fullMask(fieldOf(field)) : toBits(action.field.mask)
    case 'load':
    case 'move':
    case 'copy_field':
      return action.target.field === field ? maskOf(action.target) : 0n
    default:
      return 0n
  }
}

function natOf({ actions }: Ct): NatRequest | null {
  const nat = actions.find((each) => each.kind === 'nat')
  if (nat === undefined) return null
  return { side: nat.side, address: nat.ipv4 === null ? null : BigInt(nat.ipv4.min) }
}

/** `place` tells apart the ct actions that a packet meets on its way. */
export function trackRequest(action: Ct, packet: ModelPacket, place: string): TrackRequest {
  const noted = (field: Noted): { value: bigint; mask: bigint } => ({
    value: packet.read(field),
    mask: action.actions.reduce((mask, each) => mask | written(each, field), 0n),
  })
  return {
    zone: action.zoneSource === null ? action.zone : Number(packet.readBits(action.zoneSource)),
    commit: action.commit,
    force: action.force,
    helper: helperOf(action.alg),
    mark: noted('ct_mark'),
    label: noted('ct_label'),
    nat: natOf(action),
    place,
  }
}
