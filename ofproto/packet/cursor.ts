// A place in a packet and the end of what may be read from there. Callers ask `has` before they read.

export class Cursor {
  readonly bytes: Uint8Array
  readonly view: DataView
  offset = 0
  end: number

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.end = bytes.length
  }

  get size(): number {
    return this.end - this.offset
  }

  has(size: number): boolean {
    return this.end - this.offset >= size
  }

  /** Steps over `size` bytes if they are there. */
  pull(size: number): boolean {
    if (!this.has(size)) return false
    this.offset += size
    return true
  }

  u8(at: number): number {
    return this.view.getUint8(this.offset + at)
  }

  u16(at: number): number {
    return this.view.getUint16(this.offset + at)
  }

  u32(at: number): number {
    return this.view.getUint32(this.offset + at)
  }

  u48(at: number): number {
    return this.u16(at) * 0x1_0000_0000 + this.u32(at + 2)
  }

  /** 16 bytes, copied. */
  ipv6(at: number): Uint8Array {
    return this.bytes.slice(this.offset + at, this.offset + at + 16)
  }
}
