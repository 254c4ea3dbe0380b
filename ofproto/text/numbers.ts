// Numbers as C prints and reads them, where ovs-ofctl relies on its library.

/** printf's %#x: no prefix for zero. */
export function hex(value: number | bigint): string {
  return value === 0 || value === 0n ? '0' : `0x${value.toString(16)}`
}

/** Bytes as `00.01.02`, the way notes and userdata print. */
export function dotted(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('.')
}

/** ds_put_hex(): the bytes as one number in hexadecimal, without leading zeros. */
export function hexNumber(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .replace(/^0+/, '')
  return digits === '' ? '0' : `0x${digits}`
}

/** atoi(): the decimal number that the text starts with, 0 if none. */
export function atoi(text: string): number {
  return Number(/^\s*([+-]?\d+)/.exec(text)?.[1] ?? 0) | 0
}

/** ofpbuf_put_hex() of the whole text: pairs of digits, with dots and blanks between them; null if there is more. */
export function bytesFromHex(text: string): Uint8Array | null {
  const digits = text.replaceAll(/[ .\t\r\n]*([0-9a-fA-F]{2})[ .\t\r\n]*/g, '$1')
  return /^([0-9a-fA-F]{2})*$/.test(digits)
    ? Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16))
    : null
}
