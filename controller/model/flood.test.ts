import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mac } from '../address.ts'
import { simulate } from './testing.ts'
import { host, network, port, subnet, vif } from '../testing.ts'
import { BROADCAST_MAC, composeFrame } from '../../packet/frame.ts'
import { changesOf, NO_CHANGE } from '../switch/desired.ts'

const HOSTS = 70
const NOBODY = 0x02ff_ffff_ffff

/** Port i of network 1 is on host i; every seventh listens to everything. */
function world(members: readonly number[]) {
  const listens = (i: number): boolean => i % 7 === 0
  return simulate({
    hosts: members.map((i) => host(i)),
    networks: [network(1)],
    subnets: [subnet(1)],
    ports: members.map((i) => port(1, i, { port_security_enabled: !listens(i) })),
    vifs: members.map((i) => vif(i, 1, i)),
  })
}
const members = Array.from({ length: HOSTS }, (_, i) => i + 1)
const { fabric, deployment, derivation } = world(members)
const place = (i: number): string => `host${i}/${256 + i}`

function reached(from: number, destination: number): string[] {
  const frame = composeFrame({
    source: mac(port(1, from).mac_address),
    destination,
    etherType: 0x88b5,
    payload: new Uint8Array(46),
  })
  return fabric.send(`host${from}`, 256 + from, frame).map((each) => `${each.host}/${each.ofport}`)
}

// Port security passes only IPv4, IPv6 and ARP of its port: the senders are ports without it.
const senders = fc.constantFrom(...members.filter((i) => i % 7 === 0))

test('on many hosts a broadcast reaches each port but the sender once, and an unknown MAC each that listens', () => {
  fc.assert(
    fc.property(senders, (from) => {
      const others = members.filter((i) => i !== from)
      expect(reached(from, BROADCAST_MAC).toSorted()).toEqual(others.map(place).toSorted())
      expect(reached(from, NOBODY).toSorted()).toEqual(
        others
          .filter((i) => i % 7 === 0)
          .map(place)
          .toSorted(),
      )
    }),
  )
})

test('a host that comes to a network changes its own part of the copies only', () => {
  const added = HOSTS + 1
  derivation.inputs.host.set(`host${added}`, host(added))
  derivation.inputs.port.set(port(1, added).id, port(1, added))
  derivation.inputs.vif.set(`host${added}/tap`, vif(added, 1, added))
  const { units, scopes } = derivation.commit()
  deployment.update(units, scopes)
  const deltas = deployment.take()
  // The port's MAC, address and next hop, and the copies for one part, perhaps with a version of one's own.
  for (const i of members) expect(changesOf(deltas.get(`host${i}`) ?? NO_CHANGE).size).toBeLessThanOrEqual(6)
  const copies = units.filter(({ scope }) => scope.startsWith('host '))
  expect(copies.length).toBeLessThan(HOSTS / 2)
})
