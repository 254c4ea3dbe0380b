// How neighbours of routers are found, kept and forgotten: a clock by hand, and what is sent.
import { expect, test } from 'vitest'
import { parseArp } from '../packet/arp.ts'
import { parseFrame } from '../packet/frame.ts'
import { mac } from './address.ts'
import { neighbourKey, type Neighbour, type PacketOut } from './app.ts'
import { simulate, pingFrame } from './model/testing.ts'
import { Neighbours } from './neighbours.ts'
import { externalGateway, externalRouter, host, port, subnet, uuid, wired } from './testing.ts'

const NETWORK = uuid('n', 1)
const ADDRESS = '10.0.1.77'
const KEY = neighbourKey(NETWORK, ADDRESS)
const [FIRST, SECOND] = ['02:aa:aa:aa:aa:aa', '02:bb:bb:bb:bb:bb']
const gateway = externalGateway(1, 5, 1)

const { derivation } = simulate({
  hosts: [host(1, { wire: 1 })],
  networks: [wired(1, 'wire')],
  subnets: [subnet(1)],
  ports: [gateway, port(1, 9)],
  routers: [externalRouter(1, 1)],
  vifs: [],
  routerHosts: { [uuid('r', 1)]: 'host1' },
})

class Bed implements Disposable {
  now = 0
  connected = true
  readonly sent: Uint8Array[] = []
  readonly published: [string, Neighbour | null][] = []
  readonly neighbours = new Neighbours({
    reads: derivation.reads,
    send: (at: string, packet: PacketOut) => {
      if (this.connected && at === 'host1' && 'network' in packet) this.sent.push(packet.data)
      return this.connected
    },
    publish: (key, neighbour) => this.published.push([key, neighbour]),
    now: () => this.now,
  })

  wait(milliseconds: number): void {
    for (let i = 0; i < milliseconds; i += 250) {
      this.now += 250
      this.neighbours.tick()
    }
  }

  [Symbol.dispose](): void {
    this.neighbours.close()
  }

  want(): void {
    const data = pingFrame({ fromMac: gateway.mac_address, toMac: 1, from: '10.0.1.5', to: ADDRESS })
    this.neighbours.news('host1', { kind: 'wanted', network: NETWORK, address: ADDRESS, data })
  }

  hear(mac_address: string): void {
    this.neighbours.news('host1', { kind: 'heard', neighbour: { network: NETWORK, address: ADDRESS, mac_address } })
  }

  /** What was sent since the last call: where ARP asked, and where packets went. */
  take(): string[] {
    return this.sent.splice(0).map((bytes) => {
      const to = parseFrame(bytes)?.destination === 0xffff_ffff_ffff ? 'all' : parseFrame(bytes)?.destination
      return parseArp(bytes) === null ? `packet to ${to}` : `question to ${to}`
    })
  }
}

test('who is wanted is asked for at once, and the packet goes there when the answer comes', () => {
  using bed = new Bed()
  bed.want()
  expect(parseArp(bed.sent[0] ?? new Uint8Array())).toMatchObject({ op: 1, sha: mac(gateway.mac_address), tha: 0 })
  expect(bed.take()).toEqual(['question to all'])
  bed.hear(FIRST)
  expect(bed.take()).toEqual([`packet to ${mac(FIRST)}`])
  expect(bed.published).toEqual([[KEY, { network: NETWORK, address: ADDRESS, mac_address: FIRST }]])
})

test('who does not answer is asked three times, and then again only when wanted again', () => {
  using bed = new Bed()
  bed.want()
  bed.wait(10_000)
  expect(bed.take()).toEqual(['question to all', 'question to all', 'question to all'])
  expect(bed.published).toEqual([])
  bed.want()
  expect(bed.take()).toEqual(['question to all'])
})

test('who is known is asked now and then, and forgotten when the answers stop', () => {
  using bed = new Bed()
  bed.want()
  bed.hear(FIRST)
  bed.take()
  bed.wait(15_000)
  expect(bed.take()).toEqual([`question to ${mac(FIRST)}`])
  bed.hear(FIRST)
  bed.wait(14_000)
  expect(bed.take()).toEqual([])
  bed.wait(5_000)
  expect(bed.take()).toEqual([`question to ${mac(FIRST)}`, 'question to all', 'question to all'])
  expect(bed.published.at(-1)).toEqual([KEY, null])
})

test('another MAC is taken at once; a MAC that nobody wanted to know is not kept', () => {
  using bed = new Bed()
  bed.hear(FIRST)
  expect(bed.published).toEqual([])
  bed.want()
  bed.hear(FIRST)
  bed.hear(SECOND)
  expect(bed.published.map(([, row]) => row?.mac_address)).toEqual([FIRST, SECOND])
})

test('while the gateway’s host is away nobody is forgotten', () => {
  using bed = new Bed()
  bed.neighbours.recall({ network: NETWORK, address: ADDRESS, mac_address: FIRST })
  bed.connected = false
  bed.wait(60_000)
  expect(bed.published).toEqual([])
})

test('of many packets that wait the last three are sent', () => {
  using bed = new Bed()
  for (let i = 0; i < 9; i += 1) bed.want()
  bed.take()
  bed.hear(FIRST)
  expect(bed.take()).toHaveLength(3)
})
