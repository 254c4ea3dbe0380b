// What a dump tells: how the switch differs from what it was confirmed to have.
import type { Dump } from './dump.ts'
import type { Installed } from './installed.ts'
import type { Holdings } from './plan.ts'
import { sameItem } from '../pipeline/value.ts'
import type { Held } from './wire.ts'

export interface Difference {
  /** Confirmed, and gone. */
  readonly missing: readonly Held[]
  /** Confirmed, and now otherwise: `found` is what stands there. */
  readonly changed: readonly { readonly held: Held; readonly found: Held }[]
  /** Not confirmed, and neither foreign nor what is wanted. */
  readonly unexpected: readonly Held[]
}

/** How what was found differs from `installed`, which is brought up to it. */
export function accept({ found }: Dump, installed: Installed, desired: Holdings): Difference {
  const missing: Held[] = []
  const changed: { held: Held; found: Held }[] = []
  const unexpected: Held[] = []
  const news: [string, Held | null][] = []
  let known = 0
  for (const [key, held] of installed.entries()) {
    const now = found.get(key)
    if (now !== undefined) known += 1
    if (now === held) continue
    news.push([key, now ?? null])
    if (now === undefined) missing.push(held)
    else if (!sameItem(now, held)) changed.push({ held, found: now })
  }
  for (const [key, held] of known === found.size ? [] : found) {
    if (installed.get(key) !== undefined) continue
    news.push([key, held])
    if (desired.get(key) !== held) unexpected.push(held)
  }
  for (const [key, held] of news) installed.set(key, held)
  return { missing, changed, unexpected }
}
