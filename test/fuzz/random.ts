// Reproducible randomness and the mutations that break bytes and texts in the ways that parsers are weak to.

/** An integer from 0 to `below` - 1. */
export type Random = (below: number) => number

/** splitmix32: the same everywhere, and each seed, however close to another, its own sequence. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0
    let t = state ^ (state >>> 16)
    t = Math.imul(t, 0x21f0aaad)
    t ^= t >>> 15
    t = Math.imul(t, 0x735a2d97)
    return ((t ^ (t >>> 15)) >>> 0) % below
  }
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)] as T

const MAX_FRAME = 0xffff
const EDGES = [0, 1, 4, 7, 8, 15, 16, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xfffe, 0xffff]

const HEADER_LENGTH = 8

/** Bytes set to other values or to values at edges; pieces doubled, dropped, or taken from `other`. */
export function mutate(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  let out: Uint8Array = Uint8Array.from(bytes)
  for (let i = 1 + random(3); i > 0 && out.length > 0; i -= 1) out = mutateOnce(random, out, other)
  return out
}

function mutateOnce(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  // What is in the header only decides which of the frames this is.
  const body = bytes.length > HEADER_LENGTH && random(10) !== 0 ? HEADER_LENGTH : 0
  const at = body + random(bytes.length - body)
  switch (random(8)) {
    case 0:
    case 1:
      bytes[at] = random(256)
      return bytes
    case 2:
    case 3:
      bytes[at] = (bytes[at] as number) ^ (1 << random(8))
      return bytes
    case 4:
    case 5: {
      // Lengths and counts are 16 bits at even places.
      const edge = pick(random, EDGES)
      bytes[at & ~1] = edge >> 8
      bytes[(at & ~1) + 1] = edge & 0xff
      return bytes
    }
    default:
      return changeLength(random, bytes, other, at)
  }
}

/** Structures are multiples of 8 bytes: pieces that are, are looked into more deeply. */
function changeLength(random: Random, bytes: Uint8Array, other: Uint8Array, somewhere: number): Uint8Array {
  const unit = random(4) === 0 ? 1 : 8
  const at = somewhere - (somewhere % unit)
  const size = unit * (1 + random(8))
  const head = bytes.subarray(0, at)
  const tail = bytes.subarray(at)
  switch (random(3)) {
    case 0:
      return join(head, tail.subarray(size))
    case 1: {
      const from = random(other.length)
      return join(head, other.subarray(from - (from % unit)).subarray(0, size), tail)
    }
    default: {
      // As often as fits a message: what is slow on a long one shows.
      const times = random(8) === 0 ? Math.floor((MAX_FRAME - bytes.length) / size) : random(20)
      return join(head, ...Array.from({ length: times }, () => tail.subarray(0, size)), tail)
    }
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts).subarray(0, MAX_FRAME))
}

const CHARACTERS = Array.from(' ,=():/[]->.+0123456789abcdefx_*"\\\0\u00e9\u{1f600}')

/** Characters replaced, pieces doubled, dropped or taken from `other`, parentheses nested deeply. */
export function mutateText(random: Random, text: string, other: string): string {
  let out = text
  for (let i = 1 + random(2); i > 0; i -= 1) {
    const at = random(out.length + 1)
    const size = random(8)
    const [head, tail] = [out.slice(0, at), out.slice(at)]
    switch (random(9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        out = head + pick(random, CHARACTERS) + tail.slice(1)
        break
      case 4:
        out = head + tail.slice(size)
        break
      case 5:
        out = head + tail.slice(0, size).repeat(1 + random(random(10) === 0 ? 500 : 3)) + tail
        break
      case 6:
        out = head + other.slice(random(other.length), random(other.length)) + tail
        break
      case 7:
        out = head + pick(random, ['0xffffffffffffffff', '-1', '99999999999999999999', '/0', '::', 'NXM_', '[]']) + tail
        break
      default:
        out =
          `${head}${pick(random, ['clone(', 'ct(exec(', 'write_actions(', '(', 'learn('])}`.repeat(1 + random(40)) +
          tail
    }
  }
  return out.slice(0, 20_000)
}
