// Security groups: the distributed firewall. Every packet is judged, also those of established connections, by what its
// connection began with; so a changed rule acts at once on all connections. docs/security-groups.md has the design.
import {
  GROUP,
  HITS,
  LOG_METER,
  MARKS,
  NETWORK,
  OUTPORT,
  REJECT_METER,
  REMOTE,
  REMOTE_IPV4,
  SET,
  SUBJECT,
  ZONE,
  type App,
  type Stage,
} from '../../controller/app.ts'
import { report } from './log.ts'
import { filtered } from './ports.ts'
import { rejected } from './reject.ts'
import { ruled } from './rules.ts'
import { member } from './sets.ts'
import { constantFlows } from './tracking.ts'
import { zoned } from './zones.ts'

const sides = ['egress', 'ingress'] as const
const ingress: Stage = { name: 'ingress', phase: 'ingress', miss: 'commit', matches: [OUTPORT] }
const ingressZone: Stage = {
  name: 'ingress_zone',
  phase: 'ingress',
  miss: 'next',
  matches: [NETWORK, 'ct_state', 'ct_zone'],
}

export const groups: App = {
  name: 'groups',
  stages: [
    { name: 'zone', phase: 'egress', miss: 'next', matches: [NETWORK] },
    ...sides.flatMap((side): Stage[] => [
      ...(side === 'egress' ? [] : [ingress, ingressZone]),
      {
        name: `${side}_track`,
        phase: side,
        miss: 'next',
        matches: [SUBJECT, MARKS, ZONE, 'ct_state', 'ct_mark', 'icmpv6_type', 'nw_ttl', 'ip_frag'],
      },
      { name: `${side}_state`, phase: side, miss: 'drop', matches: [MARKS, 'ct_state'] },
      { name: `${side}_verdict`, phase: side, miss: 'drop', matches: [MARKS] },
    ]),
    { name: 'commit', phase: 'ingress', miss: 'next', matches: ['ct_state', 'ct_mark', 'tcp_dst', 'udp_dst'] },
    { name: 'related', phase: 'lookup', miss: 'drop', matches: [SUBJECT, 'ct_state', 'ct_nw_src', 'ct_ipv6_src'] },
    { name: 'policy', phase: 'lookup', miss: 'drop', matches: [SUBJECT, MARKS] },
    { name: 'group', phase: 'lookup', miss: 'drop', matches: [GROUP, MARKS] },
    { name: 'remote', phase: 'lookup', miss: 'drop', matches: [MARKS, 'ct_state'] },
    { name: 'members', phase: 'lookup', miss: 'drop', matches: [SET, REMOTE, REMOTE_IPV4] },
    {
      name: 'rules',
      phase: 'lookup',
      miss: 'drop',
      matches: [
        GROUP,
        MARKS,
        HITS,
        'ct_state',
        'ct_mark',
        'ct_nw_proto',
        'ct_nw_src',
        'ct_nw_dst',
        'ct_ipv6_src',
        'ct_ipv6_dst',
        'ct_tp_src',
        'ct_tp_dst',
        'ip_src',
        'ip_dst',
        'ipv6_src',
        'ipv6_dst',
        'ip_frag',
        'tcp_dst',
        'udp_dst',
        'sctp_src',
        'sctp_dst',
        'icmp_type',
        'icmp_code',
        'icmpv6_type',
        'icmpv6_code',
      ],
    },
  ],
  constant: {
    flows: constantFlows,
    limits: [REJECT_METER, LOG_METER].map((meter) => ({ meter, perSecond: 100, burst: 100 })),
  },
  rules: [
    { over: 'zone', contribute: zoned },
    { over: 'vif', contribute: filtered },
    { over: 'security_group', contribute: ruled },
    { over: 'member', contribute: member },
  ],
  packetIn: rejected,
  report,
}
