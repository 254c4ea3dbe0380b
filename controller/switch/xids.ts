// Transaction ids of a switch session: the upper half of the 32 bits. The lower half is for whoever else sends on the
// connection; OVS sends with 0 what nobody asked for.
const FIRST = 0x8000_0000
const END = 0x1_0000_0000

export const isOurs = (xid: number): boolean => xid >= FIRST

export class Xids {
  private next = FIRST

  /** The first of `count` consecutive ids. */
  take(count = 1): number {
    if (this.next + count > END) this.next = FIRST
    const first = this.next
    this.next += count
    return first
  }
}
