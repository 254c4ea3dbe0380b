// Sets of addresses: the members of a security group or address group. One flow for each member, for all rules that refer
// to the set, where conjunction() would need one for each rule priority as well (docs/security-groups.md).
import {
  ipv6Prefix,
  load,
  mark,
  memberOf,
  prefix as ipv4Prefix,
  REMOTE,
  REMOTE_IPV4,
  SET,
  tag,
  type Contribution,
  type Reads,
} from '../../controller/app.ts'
import { ETHER_TYPES, type Match } from './fields.ts'

function remoteWithin(cidr: string): Match {
  const four = ipv4Prefix(cidr)
  const six = ipv6Prefix(cidr)
  if (four !== null) {
    return { eth_type: ETHER_TYPES.IPv4, ...(four.length > 0 && { [REMOTE_IPV4]: [four.network, four.mask] as const }) }
  }
  return { eth_type: ETHER_TYPES.IPv6, ...(six && six.length > 0 && { [REMOTE]: [six.network, six.mask] as const }) }
}

export function member(_: Reads, key: string): readonly Contribution[] {
  const { set, prefix } = memberOf(key)
  return [
    {
      scope: { kind: 'set', set },
      object: set,
      flows: [
        {
          stage: 'members',
          priority: 100,
          match: { [SET]: tag(set), ...remoteWithin(prefix) },
          actions: [load(mark.hit, 1)],
        },
      ],
    },
  ]
}
