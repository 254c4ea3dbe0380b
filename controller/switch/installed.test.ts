import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Item } from '../pipeline/value.ts'
import { Installed } from './installed.ts'
import { fromPort, output } from './samples.ts'
import type { Held } from './wire.ts'

const forms = [0, 1, 2].map((form) => [0, 1, 2].map((port) => fromPort(port, { actions: [output(form)] })))
const item = (port: number, form: number): Item => forms[form]?.[port] as Item

test('a switch that has what is desired costs no entry of its own', () => {
  const desired = new Map([item(0, 0), item(1, 1)].map((each) => [each.key, each]))
  const installed = new Installed(desired)
  installed.read(new Map<string, Held>(desired))
  expect(installed['odd'].size).toBe(0)
  const [key] = [...desired.keys()] as [string]
  installed.keep(key)
  desired.set(key, item(0, 2))
  expect(installed.get(key)).toBe(item(0, 0))
  installed.set(key, item(0, 2))
  expect(installed['odd'].size).toBe(0)
})

test('it is a map that does not move with what is desired', () => {
  const change = fc.record({
    what: fc.constantFrom('desire', 'set', 'read', 'clear'),
    port: fc.nat(2),
    form: fc.option(fc.nat(2)),
  })
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const desired = new Map<string, Item>()
      const installed = new Installed(desired)
      let model = new Map<string, Held>()
      for (const { what, port, form } of changes) {
        const { key } = item(port, 0)
        const held = form === null ? null : item(port, form)
        if (what === 'desire') {
          installed.keep(key)
          if (held === null) desired.delete(key)
          else desired.set(key, held)
        } else if (what === 'set') {
          installed.set(key, held)
          if (held === null) model.delete(key)
          else model.set(key, held)
        } else {
          model = new Map(what === 'read' && held !== null ? [[key, held]] : [])
          if (what === 'read') installed.read(model)
          else installed.clear()
        }
        expect(new Map(installed.entries())).toEqual(model)
        for (const [key] of desired) expect(installed.get(key)).toBe(model.get(key))
      }
    }),
  )
})
