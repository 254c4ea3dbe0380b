// The transport layer of a flow key: ports, flags, ICMP, IGMP, neighbour discovery.
import { IP_PROTO, ND } from '../fields/protocols.ts'
import type { Cursor } from './cursor.ts'
import type { FlowKey } from './key.ts'

/** Header sizes below which OVS does not look. */
const sizes: ReadonlyMap<number, number> = new Map<number, number>([
  [IP_PROTO.udp, 8],
  [IP_PROTO.sctp, 12],
  [IP_PROTO.icmp, 8],
  [IP_PROTO.igmp, 8],
  [IP_PROTO.icmpv6, 8],
])

export function extractTransport(c: Cursor, key: FlowKey): void {
  key.transportOffset = c.offset
  key.transportEnd = c.end
  if ((key.fragment & 2) !== 0) return
  if (key.protocol === IP_PROTO.tcp) {
    extractTcp(c, key)
    return
  }
  const size = sizes.get(key.protocol)
  if (size === undefined || !c.has(size)) return
  if (key.protocol === IP_PROTO.udp || key.protocol === IP_PROTO.sctp) {
    key.tpSrc = c.u16(0)
    key.tpDst = c.u16(2)
    return
  }
  key.tpSrc = c.u8(0)
  key.tpDst = c.u8(1)
  if (key.protocol === IP_PROTO.igmp) key.igmpGroup = c.u32(4)
  if (key.protocol === IP_PROTO.icmpv6 && key.tpDst === 0 && (key.tpSrc === ND.solicit || key.tpSrc === ND.advert)) {
    extractDiscovery(c, key)
  }
}

function extractTcp(c: Cursor, key: FlowKey): void {
  if (!c.has(20)) return
  const headerSize = (c.u8(12) >>> 4) * 4
  if (headerSize < 20 || !c.has(headerSize)) return
  key.tpSrc = c.u16(0)
  key.tpDst = c.u16(2)
  key.tcpFlags = c.u16(12) & 0x0fff
}

const [SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS] = [1, 2]

/** Target and link-layer addresses (RFC 4861 §4.3, §4.4). An option given twice voids them all. */
function extractDiscovery(c: Cursor, key: FlowKey): void {
  key.ndReserved = c.u32(4)
  c.pull(8)
  if (!c.has(16)) return
  const target = c.ipv6(0)
  c.pull(16)
  let [sll, tll, optionsType] = [0, 0, 0]
  while (c.has(8)) {
    const type = c.u8(0)
    const size = c.u8(1) * 8
    if (size === 0 || size > c.size) break
    if (size === 8 && (type === SOURCE_LINK_ADDRESS || type === TARGET_LINK_ADDRESS)) {
      if ((type === SOURCE_LINK_ADDRESS ? sll : tll) !== 0) {
        key.ndOptionsType = optionsType
        return
      }
      if (type === SOURCE_LINK_ADDRESS) sll = c.u48(2)
      else tll = c.u48(2)
      if (optionsType === 0) optionsType = type
    }
    c.pull(size)
  }
  key.ndTarget = target
  key.arpSha = sll
  key.arpTha = tll
  key.ndOptionsType = optionsType
}
