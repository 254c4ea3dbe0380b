import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../rpc/message.ts'
import { boolean, integer, map, optional, real, scalar, set, string, uuid, type Column } from '../schema/column.ts'
import type { AtomValue } from './atom.ts'
import { datumCodec, type Datum } from './datum.ts'

const integers = datumCodec(set(integer))
const pairs = datumCodec(map(string, string))

/** Sorted and without duplicates, as every set value is. */
const setOf = (values: number[]): number[] => [...new Set(values)].sort((a, b) => a - b)
const anySet = fc.array(fc.integer({ min: 0, max: 30 })).map(setOf)
const anyMap = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor'), fc.constantFrom('1', '2'))
  .map((record) => new Map(Object.entries(record)))

describe('datumCodec', () => {
  test.each<[string, Column, Json, Datum]>([
    ['integer', scalar(integer), 5, 5],
    ['real', scalar(real), 1.5, 1.5],
    ['boolean', scalar(boolean), true, true],
    ['string', scalar(string), 'x', 'x'],
    ['a scalar written as a set', scalar(string), ['set', ['x']], 'x'],
    ['absent', optional(string), ['set', []], null],
    ['present', optional(string), 'x', 'x'],
    ['present, written as a set', optional(integer), ['set', [4]], 4],
    ['a set of one', set(integer), 3, [3]],
    ['an unsorted set with a duplicate', set(integer), ['set', [10, 9, 10]], [9, 10]],
    [
      'a set of a uuid',
      set(uuid),
      ['uuid', '00000000-0000-0000-0000-00000000000a'],
      ['00000000-0000-0000-0000-00000000000a'],
    ],
    ['a map', map(integer, string), ['map', [[1, 'a']]], new Map([[1, 'a']])],
    ['a map with a hostile key', map(string, string), ['map', [['__proto__', 'x']]], new Map([['__proto__', 'x']])],
  ])('decodes %s', (_name, column, json, value) => {
    const codec = datumCodec(column)
    expect(codec.decode(json)).toEqual(value)
    expect(codec.decode(codec.encode(value))).toEqual(value)
  })

  test.each<[string, Column, Json]>([
    ['a string for an integer', scalar(integer), '5'],
    ['a fraction for an integer', scalar(integer), 1.5],
    ['null', scalar(string), null],
    ['two values for a scalar', scalar(integer), ['set', [1, 2]]],
    ['two values for an optional', optional(integer), ['set', [1, 2]]],
    ['too many values', set(integer, { max: 2 }), ['set', [1, 2, 3]]],
    ['a set without its list', set(integer), ['set']],
    ['a nested set', set(integer), ['set', [['set', []]]]],
    ['a map that is a set', map(string, string), ['set', []]],
    ['a pair of three', map(string, string), ['map', [['a', 'b', 'c']]]],
    ['an upper-case uuid', scalar(uuid), ['uuid', '00000000-0000-0000-0000-00000000000A']],
    ['a named uuid', scalar(uuid), ['named-uuid', 'row1']],
  ])('refuses %s', (_name, column, json) => {
    expect(() => datumCodec(column).decode(json)).toThrow(/^expected /)
  })

  test.each<[string, Column, unknown]>([
    ['an integer beyond 2^53', scalar(integer), 2 ** 53],
    ['NaN', scalar(real), NaN],
    ['undefined', scalar(string), undefined],
    ['null for a scalar', scalar(string), null],
    ['text that is no uuid', scalar(uuid), 'x'],
    ['a record for a map', map(string, string), { a: 'b' }],
    ['a lone value for a set', set(integer), 4],
  ])('does not encode %s', (_name, column, value) => {
    expect(() => datumCodec(column).encode(value)).toThrow(/^not a/)
  })

  test('a set with the difference of two sets applied is the other set', () => {
    fc.assert(
      fc.property(anySet, anySet, (a, b) => {
        const difference = [...a.filter((x) => !b.includes(x)), ...b.filter((x) => !a.includes(x))]
        expect(integers.applyDiff(a, ['set', difference])).toEqual(b)
      }),
    )
  })

  test('a map with the difference of two maps applied is the other map', () => {
    fc.assert(
      fc.property(anyMap, anyMap, (a, b) => {
        const difference: [string, string][] = []
        for (const [key, value] of a) if (!b.has(key)) difference.push([key, value])
        for (const [key, value] of b) if (a.get(key) !== value) difference.push([key, value])
        const result = pairs.applyDiff(a, ['map', difference])
        expect(result).toEqual(b)
        expect(pairs.equals(result, b)).toBe(true)
      }),
    )
  })

  test('the difference of a column of at most one value is its new value', () => {
    expect(datumCodec(optional(integer)).applyDiff(4, ['set', []])).toBeNull()
    expect(datumCodec(optional(integer)).applyDiff(4, 4)).toBe(4)
    const single = datumCodec(map(string, string, { max: 1 }))
    expect(single.applyDiff(new Map([['a', '1']]), ['map', [['b', '2']]])).toEqual(new Map([['b', '2']]))
  })

  test('empty values are shared', () => {
    expect(integers.decode(['set', []])).toBe(integers.defaultValue)
    expect(pairs.applyDiff(new Map([['a', '1']]), ['map', [['a', '1']]])).toBe(pairs.defaultValue)
  })

  test('equality is by value', () => {
    fc.assert(
      fc.property(anySet, anySet, (a: AtomValue[], b: AtomValue[]) => {
        expect(integers.equals(a, b)).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
    )
  })
})
