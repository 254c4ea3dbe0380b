// From a packet's bytes to its flow key, as flow_extract() of OVS: link and network layer. A header that is cut short
// or inconsistent ends the extraction; what was found up to there stands. No input makes this throw or loop.
import { ETH_TYPE } from '../fields/protocols.ts'
import { Cursor } from './cursor.ts'
import { emptyKey, type FlowKey } from './key.ts'
import { extractTransport } from './transport.ts'

const ETHERNET_HEADER = 14
/** As many as a flow key has room for (FLOW_MAX_VLAN_HEADERS). */
const MAX_VLANS = 2
const MAX_LABELS = 3
const CFI = 0x1000
/** Smaller values in the type's place are lengths (802.3). */
const MIN_ETH_TYPE = 0x0600
/** What stands for "no Ethernet type" (OFP_DL_TYPE_NOT_ETH_TYPE). */
const NO_ETH_TYPE = 0x05ff

/**
 * `packetType` is 0 for Ethernet, otherwise namespace << 16 | type, whose type then says what the bytes start with. Tags
 * after the first `maxVlans` count as payload.
 */
export function extractFlow(bytes: Uint8Array, packetType = 0, maxVlans = MAX_VLANS): FlowKey {
  const key = emptyKey(packetType)
  const c = new Cursor(bytes)
  if (packetType === 0) {
    if (!c.has(ETHERNET_HEADER)) return key
    extractEthernet(c, key, maxVlans)
  } else {
    key.ethType = packetType & 0xffff
  }
  switch (key.ethType) {
    case ETH_TYPE.mpls:
    case ETH_TYPE.mplsMulticast:
      extractMpls(c, key)
      break
    case ETH_TYPE.ip:
      if (extractIpv4(c, key)) extractTransport(c, key)
      break
    case ETH_TYPE.ipv6:
      if (extractIpv6(c, key)) extractTransport(c, key)
      break
    case ETH_TYPE.arp:
    case ETH_TYPE.rarp:
      extractArp(c, key)
      break
    case ETH_TYPE.nsh:
      extractNsh(c, key)
      break
    default:
  }
  return key
}

const isVlan = (type: number): boolean => type === ETH_TYPE.vlan || type === ETH_TYPE.qinq

function extractEthernet(c: Cursor, key: FlowKey, maxVlans: number): void {
  key.ethDst = c.u48(0)
  key.ethSrc = c.u48(6)
  c.pull(12)
  while (isVlan(c.u16(0)) && key.vlans.length < maxVlans && c.has(6)) {
    key.vlans.push(c.u16(2) | CFI)
    c.pull(4)
  }
  key.ethType = c.u16(0)
  c.pull(2)
  if (key.ethType >= MIN_ETH_TYPE) return
  key.ethType = NO_ETH_TYPE
  // LLC aa-aa-03 with SNAP 00-00-00 carries an Ethernet type of its own.
  if (!c.has(8) || c.u32(0) !== 0xaaaa0300 || c.u16(4) !== 0) return
  const type = c.u16(6)
  c.pull(8)
  if (type >= MIN_ETH_TYPE) key.ethType = type
}

function extractMpls(c: Cursor, key: FlowKey): void {
  while (key.mpls.length < MAX_LABELS && c.has(4)) {
    const entry = c.u32(0)
    key.mpls.push(entry)
    c.pull(4)
    if ((entry & 0x100) !== 0) return
  }
}

const MORE_FRAGMENTS = 0x2000
const FRAGMENT_OFFSET = 0x1fff

/** True if a transport header follows. */
function extractIpv4(c: Cursor, key: FlowKey): boolean {
  if (!c.has(20)) return false
  const headerSize = (c.u8(0) & 0x0f) * 4
  const totalSize = c.u16(2)
  if (headerSize < 20 || totalSize > c.size || headerSize > totalSize || c.size - totalSize > 0xffff) return false
  c.end = c.offset + totalSize
  const fragment = c.u16(6)
  key.ipSrc = c.u32(12)
  key.ipDst = c.u32(16)
  key.tos = c.u8(1)
  key.ttl = c.u8(8)
  key.protocol = c.u8(9)
  if ((fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) !== 0) {
    key.fragment = (fragment & FRAGMENT_OFFSET) === 0 ? 1 : 3
  }
  return c.pull(headerSize)
}

const [HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION] = [0, 43, 44, 51, 60]

function extractIpv6(c: Cursor, key: FlowKey): boolean {
  if (!c.has(40)) return false
  const payloadSize = c.u16(4)
  if (payloadSize + 40 > c.size || c.size - payloadSize - 40 > 0xffff) return false
  c.end = c.offset + 40 + payloadSize
  const first = c.u32(0)
  const ttl = c.u8(7)
  const next = c.u8(6)
  key.ipv6Src = c.ipv6(8)
  key.ipv6Dst = c.ipv6(24)
  c.pull(40)
  const found = skipExtensions(c, next)
  if (found === null) return false
  key.ipv6Label = first & 0xf_ffff
  key.tos = (first >>> 20) & 0xff
  key.ttl = ttl
  key.protocol = found.protocol
  key.fragment = found.fragment
  return true
}

/** Steps over extension headers; null if one is cut short. A later fragment shows the fragment header as its protocol. */
export function skipExtensions(c: Cursor, first: number): { protocol: number; fragment: number } | null {
  let protocol = first
  let fragment = 0
  for (;;) {
    const isExtension =
      protocol === HOP_BY_HOP ||
      protocol === ROUTING ||
      protocol === DESTINATION ||
      protocol === AUTHENTICATION ||
      protocol === FRAGMENT
    if (!isExtension) return { protocol, fragment }
    if (!c.has(8)) return null
    const next = c.u8(0)
    if (protocol === FRAGMENT) {
      const offset = c.u16(2)
      c.pull(8)
      if ((offset & 0xfff8) !== 0) return { protocol: FRAGMENT, fragment: 3 }
      if (offset !== 0) fragment = 1
    } else if (!c.pull(protocol === AUTHENTICATION ? (c.u8(1) + 2) * 4 : (c.u8(1) + 1) * 8)) {
      return null
    }
    protocol = next
  }
}

function extractArp(c: Cursor, key: FlowKey): void {
  // Hardware type Ethernet, protocol IPv4, address sizes 6 and 4.
  if (!c.has(28) || c.u16(0) !== 1 || c.u16(2) !== ETH_TYPE.ip || c.u16(4) !== 0x0604) return
  const operation = c.u16(6)
  if (operation <= 0xff) key.protocol = operation
  key.arpSha = c.u48(8)
  key.ipSrc = c.u32(14)
  key.arpTha = c.u48(18)
  key.ipDst = c.u32(24)
}

function extractNsh(c: Cursor, key: FlowKey): void {
  if (!c.has(8)) return
  const first = c.u16(0)
  const size = (first & 0x3f) * 4
  const mdtype = c.u8(2) & 0xff
  if (size > c.size || first >>> 14 !== 0) return
  if (mdtype === 1 ? size !== 24 : mdtype === 2 && size < 8) return
  const context = mdtype === 1 ? [c.u32(8), c.u32(12), c.u32(16), c.u32(20)] : [0, 0, 0, 0]
  const path = c.u32(4)
  key.nsh = {
    flags: (first >>> 12) & 3,
    ttl: (first >>> 6) & 0x3f,
    mdtype,
    np: c.u8(3),
    spi: path >>> 8,
    si: path & 0xff,
    context,
  }
}
