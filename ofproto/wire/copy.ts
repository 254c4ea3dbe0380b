// Copies of parts of a buffer that will be used again. V8 keeps typed arrays of more than 64 bytes outside its heap, and
// allocating one costs 300 ns for 184 bytes and 800 ns for 1,400 (measured, Node 24); carved from a slab they cost 90 ns
// and 220 ns. The price: one copy that lives on keeps its slab, so slabs are small and large copies stand alone.
const SLAB = 32 * 1024
const ON_HEAP = 64
const ALONE = SLAB / 4
/** An array of no bytes costs 200 bytes, and a hostile message may have 16,000 of them: they share one. */
const NOTHING = new Uint8Array(0)

let slab = Buffer.allocUnsafeSlow(SLAB)
let used = 0

// Takes any Uint8Array as `this`, and is faster than `target.set(source.subarray(…))`, which makes a view to throw away.
export const copyInto = Buffer.prototype.copy as (
  this: Uint8Array,
  to: Uint8Array,
  at: number,
  start: number,
  end: number,
) => number

/** The bytes of `source` from `start` to `end`, sharing no memory with it. */
export function copy(source: Uint8Array, start: number, end: number): Uint8Array {
  const size = end - start
  if (size === 0) return NOTHING
  if (size <= ON_HEAP || size > ALONE) return source.slice(start, end)
  if (used + size > SLAB) {
    slab = Buffer.allocUnsafeSlow(SLAB)
    used = 0
  }
  const at = used
  used = (at + size + 7) & ~7
  copyInto.call(source, slab, at, start, end)
  return new Uint8Array(slab.buffer, at, size)
}
