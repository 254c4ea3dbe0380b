// The lexical level of the ovs-ofctl language, shared by matches, actions, groups and meters: comma- or space-separated
// `key`, `key=value`, `key:value` and `key(value)` items, where parentheses nest.

/** The text is not in the ovs-ofctl language; the message says which part and why. */
export class TextError extends Error {
  override readonly name = 'TextError'
}

export interface Item {
  readonly key: string
  /** What follows the key; '' where nothing does. */
  readonly value: string
  /** What stood between key and value: `(` for `key(value)`. */
  readonly delimiter: '' | ':' | '=' | '('
  /** Where the item starts in the text. */
  readonly at: number
}

const SEPARATORS = ', \t\r\n'

/** Where a value that starts at `from` ends: at one of `stops` outside parentheses, or at the end of the text. */
function valueEnd(text: string, from: number, stops: string): number {
  let depth = 0
  for (let i = from; i < text.length; i += 1) {
    const c = text[i] as string
    if (depth === 0 && stops.includes(c)) return i
    if (c === '(') depth += 1
    else if (c === ')' && depth > 0) depth -= 1
  }
  return text.length
}

/** Splits `text` as ofputil_parse_key_value() of OVS does. */
export function items(text: string): Item[] {
  const out: Item[] = []
  let i = 0
  for (;;) {
    while (i < text.length && SEPARATORS.includes(text[i] as string)) i += 1
    if (i >= text.length) return out
    const at = i
    while (i < text.length && !':=(, \t\r\n'.includes(text[i] as string)) i += 1
    const key = text.slice(at, i)
    const c = text[i]
    if (c !== ':' && c !== '=' && c !== '(') {
      out.push({ key, value: '', delimiter: '', at })
      continue
    }
    let end = valueEnd(text, i + 1, c === '(' ? ')' : SEPARATORS)
    // `check_pkt_larger(1500)->reg0[0]`: what follows the arrow belongs to the value.
    const arrow = c === '(' && text.startsWith(')->', end)
    if (arrow) end = valueEnd(text, end, SEPARATORS)
    out.push({ key, value: text.slice(i + 1, end), delimiter: c, at })
    i = c === '(' && !arrow ? end + 1 : end
  }
}

const INTEGER = /^[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/

/** An unsigned integer of at most `bits` bits: decimal, 0x hexadecimal or 0 octal, as C's strtoul with base 0. */
export function parseUint(text: string, bits: number, what: string): number {
  const value = parseUint64(text, what)
  if (value >> BigInt(bits) !== 0n) throw new TextError(`invalid ${what} "${text}": more than ${bits} bits`)
  return Number(value)
}

/** The same for 64 bits. */
export function parseUint64(text: string, what: string): bigint {
  return parseInteger(text, 64, what)
}

/** The same for any width. */
export function parseInteger(text: string, bits: number, what: string): bigint {
  if (!INTEGER.test(text) || text.startsWith('-')) throw new TextError(`invalid ${what} "${text}": not a number`)
  const digits = text.replace('+', '')
  const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  if (value >> BigInt(bits) !== 0n) throw new TextError(`invalid ${what} "${text}": more than ${bits} bits`)
  return value
}

/** A flow table id, decimal. */
export function parseTable(text: string): number {
  const table = /^\+?\d+$/.test(text) ? Number(text) : 256
  if (table > 255) throw new TextError(`unknown table "${text}"`)
  return table
}
