// Fragments on their way through conntrack, which holds them until the whole packet is there, tracks that, and lets
// the fragments go on with what it found (ipf.c of OVS). What is sent is what came: nothing leaves reassembled.
import { ETH_TYPE } from '../../../ofproto/fields/protocols.ts'
import type { FlowKey } from '../../../ofproto/packet/index.ts'
import { checksum } from '../../../packet/frame.ts'
import { networkOffset } from '../place.ts'

export interface Reassembled {
  readonly whole: Uint8Array
  /** In the order of their offsets. */
  readonly parts: readonly Uint8Array[]
}

interface Fragment {
  readonly bytes: Uint8Array
  /** Offset of the data in the packet, and in `bytes`. */
  readonly start: number
  readonly dataAt: number
  readonly dataEnd: number
  readonly networkAt: number
  readonly isLast: boolean
  /** Names the packet that it is of. */
  readonly name: string
}

/** Smaller fragments, but the last, are taken for an attack: IPv4 and IPv6, from the network header on. */
const [MIN_IPV4, MIN_IPV6] = [1200, 1280]
const [IPV6_HEADER, FRAGMENT, AUTHENTICATION] = [40, 44, 51]

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Where the fragment header is, which is there. */
function fragmentHeader(bytes: Uint8Array, networkAt: number): number {
  let at = networkAt + IPV6_HEADER
  for (let next = bytes[networkAt + 6]; next !== FRAGMENT;) {
    const size = bytes[at + 1] ?? 0
    const units = next === AUTHENTICATION ? (size + 2) * 4 : (size + 1) * 8
    next = bytes[at]
    at += units
  }
  return at
}

/** Null for what conntrack takes for invalid. */
function read(bytes: Uint8Array, key: FlowKey): Fragment | null {
  const networkAt = networkOffset(bytes, key)
  const view = viewOf(bytes)
  const isIpv4 = key.ethType === ETH_TYPE.ip
  const header = isIpv4 ? networkAt + 6 : fragmentHeader(bytes, networkAt) + 2
  const field = view.getUint16(header)
  const start = isIpv4 ? (field & 0x1fff) * 8 : field & 0xfff8
  const isLast = (field & (isIpv4 ? 0x2000 : 1)) === 0
  const size = key.transportEnd - networkAt
  if (isIpv4 && checksum(bytes.subarray(networkAt, key.transportOffset)) !== 0) return null
  if (!isLast && size < (isIpv4 ? MIN_IPV4 : MIN_IPV6)) return null
  const identity = isIpv4
    ? [key.ipSrc, key.ipDst, view.getUint16(networkAt + 4), key.protocol]
    : [key.ipv6Src, key.ipv6Dst, view.getUint32(header + 2)]
  return {
    bytes,
    start,
    dataAt: key.transportOffset,
    dataEnd: key.transportEnd,
    networkAt,
    isLast,
    name: [key.ethType, ...identity].join(),
  }
}

const endOf = ({ start, dataAt, dataEnd }: Fragment): number => start + dataEnd - dataAt

function isWhole(fragments: readonly Fragment[]): boolean {
  let end = 0
  for (const fragment of fragments) {
    if (fragment.start !== end) return false
    end = endOf(fragment)
  }
  return fragments.at(-1)?.isLast === true
}

function join(fragments: readonly Fragment[], key: FlowKey): Uint8Array {
  const [first, ...rest] = fragments as [Fragment, ...Fragment[]]
  const head = first.bytes.subarray(0, first.dataEnd)
  const whole = Buffer.concat([head, ...rest.map(({ bytes, dataAt, dataEnd }) => bytes.subarray(dataAt, dataEnd))])
  const view = viewOf(whole)
  const { networkAt } = first
  if (key.ethType === ETH_TYPE.ip) {
    view.setUint16(networkAt + 2, whole.length - networkAt)
    view.setUint16(networkAt + 6, 0)
    view.setUint16(networkAt + 10, 0)
    view.setUint16(networkAt + 10, checksum(whole.subarray(networkAt, first.dataAt)))
  } else {
    // The fragment header stays, as one of a packet in one piece (RFC 6946).
    view.setUint16(networkAt + 4, whole.length - networkAt - IPV6_HEADER)
    view.setUint16(fragmentHeader(whole, networkAt) + 2, 0)
  }
  return whole
}

export class Fragments {
  readonly #waiting = new Map<string, Fragment[]>()

  /** `place` keeps apart what was held at different ct actions; key is of `bytes`. */
  add(bytes: Uint8Array, key: FlowKey, place: string): Reassembled | 'held' | 'invalid' {
    const fragment = read(bytes, key)
    if (fragment === null) return 'invalid'
    const name = `${place} ${fragment.name}`
    const others = this.#waiting.get(name) ?? []
    const isDouble = others.some((other) => fragment.start < endOf(other) && other.start < endOf(fragment))
    if (isDouble) return 'invalid'
    const all = [...others, fragment].toSorted((a, b) => a.start - b.start)
    if (!isWhole(all)) {
      this.#waiting.set(name, all)
      return 'held'
    }
    this.#waiting.delete(name)
    return { whole: join(all, key), parts: all.map(({ bytes: part }) => part) }
  }
}
