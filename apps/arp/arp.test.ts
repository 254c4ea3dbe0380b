import { expect, test } from 'vitest'
import { Derivation } from '../../controller/derivation.ts'
import { gateway, network, port, router, uuid } from '../../controller/testing.ts'
import type { Port } from '../../controller/app.ts'
import { apps } from '../index.ts'
import { arp } from './index.ts'

/** Whether a question about an address that nobody has goes on. */
function asksOn(...ports: readonly Port[]): boolean {
  const derivation = new Derivation(apps)
  const { inputs, reads } = derivation
  inputs.network.set(uuid('n', 1), network(1))
  inputs.router.set(uuid('r', 1), router(1))
  for (const row of ports) inputs.port.set(row.id, row)
  derivation.commit()
  return arp.rules
    .filter(({ over }) => over === 'network')
    .flatMap((rule) => rule.contribute(reads, uuid('n', 1)))
    .some(({ flows }) => flows.some(({ to }) => to === 'next'))
}

test('questions about unknown addresses end where they are asked, also on a network with a router', () => {
  expect(asksOn(port(1, 2))).toBe(false)
  expect(asksOn(port(1, 2), { ...gateway(1, 1), port_security_enabled: false })).toBe(false)
})

test('questions about unknown addresses are flooded where a port may have more addresses than the API knows', () => {
  const pair = { ip_address: '10.0.1.99', mac_address: '02:00:00:00:01:02' }
  expect(asksOn(port(1, 2, { allowed_address_pairs: [pair] }))).toBe(true)
  expect(asksOn(port(1, 2, { port_security_enabled: false }))).toBe(true)
})
