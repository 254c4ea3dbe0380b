// From the piece of a UUID that fits into a cookie or a register back to the object. Nothing is kept for it: a question
// costs one walk over the ids.
import { objectDigits } from '../pipeline/cookie.ts'
import type { Cache } from './cache.ts'
import { pathOf, type ResourceKind } from './model.ts'
import { resourceKinds, resources } from './resources/index.ts'

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

/** By what a cookie holds of the id; two objects that share them are as good as never there (2^48). */
export function findObjects(cache: Cache, pieces: Iterable<string>): ReadonlyMap<string, Found> {
  const wanted = new Set(Array.from(pieces, objectDigits))
  const found = new Map<string, Found>()
  for (const kind of resourceKinds) {
    for (const { id } of cache.all(kind)) {
      const digits = objectDigits(id)
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
