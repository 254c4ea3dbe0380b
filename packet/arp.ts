// ARP over Ethernet for IPv4 (RFC 826), as the controller sends it itself. MACs are 48-bit numbers, addresses 32-bit ones.
import { BROADCAST_MAC, composeFrame, parseFrame } from './frame.ts'

export const ETHERTYPE_ARP = 0x0806
const [REQUEST, REPLY] = [1, 2]
const LENGTH = 28

export interface Arp {
  /** 1 request, 2 reply. */
  readonly op: number
  readonly sha: number
  readonly spa: number
  readonly tha: number
  readonly tpa: number
}

export function composeArp({ op, sha, spa, tha, tpa }: Arp): Uint8Array {
  const bytes = new Uint8Array(LENGTH)
  const view = new DataView(bytes.buffer)
  // Ethernet, IPv4, and the lengths of their addresses.
  bytes.set([0, 1, 8, 0, 6, 4])
  view.setUint16(6, op)
  setMac(view, 8, sha)
  view.setUint32(14, spa)
  setMac(view, 18, tha)
  view.setUint32(24, tpa)
  return bytes
}

function setMac(view: DataView, at: number, value: number): void {
  view.setUint16(at, value / 0x1_0000_0000)
  view.setUint32(at + 2, value % 0x1_0000_0000)
}

/** Of an Ethernet frame; null for anything else. */
export function parseArp(bytes: Uint8Array): Arp | null {
  const frame = parseFrame(bytes)
  if (frame?.etherType !== ETHERTYPE_ARP || frame.payload.length < LENGTH) return null
  const view = new DataView(frame.payload.buffer, frame.payload.byteOffset, LENGTH)
  const macAt = (at: number): number => view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2)
  return { op: view.getUint16(6), sha: macAt(8), spa: view.getUint32(14), tha: macAt(18), tpa: view.getUint32(24) }
}

/** Asks who has the address: everybody, or the one that is thought to have it. */
export function question(hardware: number, address: number, wanted: number, to = BROADCAST_MAC): Uint8Array {
  const payload = composeArp({ op: REQUEST, sha: hardware, spa: address, tha: 0, tpa: wanted })
  return composeFrame({ destination: to, source: hardware, etherType: ETHERTYPE_ARP, payload })
}

/** Tells everybody that hears it who has the address now (a gratuitous ARP, RFC 5944 §4.6). */
export function announcement(hardware: number, address: number): Uint8Array {
  const payload = composeArp({ op: REPLY, sha: hardware, spa: address, tha: BROADCAST_MAC, tpa: address })
  return composeFrame({ destination: BROADCAST_MAC, source: hardware, etherType: ETHERTYPE_ARP, payload })
}
