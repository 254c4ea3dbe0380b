// Hexadecimal digits of identifiers as numbers.
const ZERO = 48
const NINE = 57

/** The number of at most `count` hexadecimal digits of `text` from `at` on; what stands between them is passed over. */
export function hexBits(text: string, at: number, count: number): number {
  let bits = 0
  for (let i = at, left = count; left > 0 && i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    // Bit 6 tells letters from digits; 'a' and 'A' end in 1.
    const digit = code & 0x40 ? (code & 0x1f) + 9 : code <= NINE ? code - ZERO : -1
    if (digit < 0 || digit > 15) continue
    bits = bits * 16 + digit
    left -= 1
  }
  return bits
}
