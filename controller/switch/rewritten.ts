// Items that a switch lists otherwise than they were sent, because it writes the same thing in another way. Weft sends
// what OVS lists, so there should be none; but a version of OVS that differs must not make Weft repair for ever. What is
// seen right after its repair in the very form that was repaired is the switch's own way of writing it.
// One for all switches: an Item is shared by those that carry it.
import { observed, type Entry, type Held } from './wire.ts'

export class Rewritten {
  private readonly forms = new WeakMap<Held, Uint8Array>()

  learn(held: Held, listed: Held): void {
    this.forms.set(held, listed.frame)
  }

  is(held: Held, entry: Entry): boolean {
    const form = this.forms.get(held)
    return form !== undefined && Buffer.compare(form, observed(entry).frame) === 0
  }
}
