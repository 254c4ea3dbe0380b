// Every tunnel type on real hosts: what two guests say to each other goes by the tunnel port of their network's type, and
// routing between networks of different types works.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cloud, warm, type Guest, type Network } from '../lab/cloud.ts'
import { until } from '../lab/run.ts'

let cloud: Cloud
const types = ['vxlan', 'geneve', 'gre'] as const

interface Pair {
  readonly network: Network
  readonly a: Guest
  readonly b: Guest
}
const pairs = new Map<string, Pair>()

beforeAll(async () => {
  cloud = await Cloud.start(2)
  const subnets = []
  for (const [i, type] of types.entries()) {
    const network = await cloud.network({ 'provider:network_type': type, 'provider:segmentation_id': 0xabcd00 + i })
    const subnet = await cloud.subnet(network, `10.${i + 1}.0.0/24`)
    subnets.push(subnet)
    const a = await cloud.guest(cloud.host(0), network, subnet)
    const b = await cloud.guest(cloud.host(1), network, subnet)
    pairs.set(type, { network, a, b })
  }
  await cloud.router(subnets)
})

afterAll(() => cloud?.stop())

/** Packets of each tunnel port of a host so far. */
async function carried(type: string): Promise<number> {
  const text = await cloud.host(0).ovs.ofctl('dump-ports', 'br-int', `weft-${type}`)
  return Number(/tx pkts=(\d+)/.exec(text)?.[1])
}

describe.each(types)('a %s network', (type) => {
  test('carries what two guests on different hosts send, over the tunnel port of its type', async () => {
    const { a, b } = pairs.get(type) as Pair
    await warm(a.vm, b.port.address)
    const before = await carried(type)
    expect(await a.vm.ping(b.port.address)).toBe(1)
    // OVS adds what its datapath counted a little later.
    await until('the tunnel port has counted them', async () => (await carried(type)) - before >= 3)
  })

  test('is routed to and from a network of another type', async () => {
    const { a } = pairs.get(type) as Pair
    const other = pairs.get(type === 'vxlan' ? 'gre' : 'vxlan') as Pair
    await warm(a.vm, other.b.port.address)
    expect(await a.vm.ping(other.b.port.address)).toBe(1)
  })
})
