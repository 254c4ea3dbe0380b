import { expect, test } from 'vitest'
import { Derivation } from '../../controller/derivation.ts'
import { gateway, network, port, router, uuid } from '../../controller/testing.ts'
import type { Port } from '../../controller/app.ts'
import { apps } from '../index.ts'
import { arp } from './index.ts'

/** Where a question goes about an address that nobody has. */
function unknown(...ports: readonly Port[]): string | undefined {
  const derivation = new Derivation(apps)
  const { inputs, reads } = derivation
  inputs.network.set(uuid('n', 1), network(1))
  inputs.router.set(uuid('r', 1), router(1))
  for (const row of ports) inputs.port.set(row.id, row)
  derivation.commit()
  const found = arp.rules
    .filter(({ over }) => over === 'network')
    .flatMap((rule) => rule.contribute(reads, uuid('n', 1)))
    .flatMap(({ flows }) => flows)
  expect(found).toHaveLength(1)
  return found[0]?.to
}

test('questions about unknown addresses end where they are asked, also on a network with a router', () => {
  expect(unknown(port(1, 2))).toBeUndefined()
  expect(unknown(port(1, 2), { ...gateway(1, 1), port_security_enabled: false })).toBeUndefined()
})

test('questions about unknown addresses are flooded where a port may have more addresses than the API knows', () => {
  const pair = { ip_address: '10.0.1.99', mac_address: '02:00:00:00:01:02' }
  expect(unknown(port(1, 2, { allowed_address_pairs: [pair] }))).toBe('next')
  expect(unknown(port(1, 2, { port_security_enabled: false }))).toBe('next')
})
