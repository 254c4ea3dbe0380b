// From the piece of a UUID that fits into a cookie or a register back to the object. Nothing is kept for it: a question
// costs one walk over the ids.
import type { Cache } from './cache.ts'
import { pathOf, type ResourceKind } from './model.ts'
import { resourceKinds, resources } from './resources/index.ts'

/** As much as a cookie holds, in hexadecimal digits. */
const DIGITS = 12

export interface Found {
  readonly kind: ResourceKind
  readonly id: string
}

export interface ObjectReference {
  readonly kind: string
  readonly id: string
  readonly name: string
  readonly link: string
}

const digitsOf = (id: string): string => id.slice(0, 8) + id.slice(9, 13)

/** By its first 12 digits; two objects that share them are as good as never there (2^48). */
export function findObjects(cache: Cache, pieces: Iterable<string>): ReadonlyMap<string, Found> {
  const wanted = new Set(Array.from(pieces, (piece) => piece.slice(0, DIGITS)))
  const found = new Map<string, Found>()
  for (const kind of resourceKinds) {
    for (const { id } of cache.all(kind)) {
      const digits = digitsOf(id)
      if (wanted.has(digits)) found.set(digits, { kind, id })
    }
  }
  return found
}

export function referenceTo(cache: Cache, { kind, id }: Found): ObjectReference {
  const object = cache.get(kind, id)
  const name = object !== undefined && 'name' in object ? object.name : ''
  return { kind: resources[kind].singular, id, name, link: `/v2.0/${pathOf(kind)}/${id}` }
}
