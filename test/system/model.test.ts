// The model against ovs-vswitchd: the same flows, the same packets; where they go (ofproto/trace) and which bytes leave.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { gateway, host, network, port, router, subnet, vif } from '../../controller/testing.ts'
import { ipv4, mac } from '../../controller/address.ts'
import { formatTrace } from '../../controller/model/trace.ts'
import { ModelSwitch, type Arrival } from '../../controller/model/switch.ts'
import { plainPort, tunnelPort } from '../../controller/model/tables.ts'
import { simulate } from '../../controller/model/testing.ts'
import { decodeMessage, parseFlowMod, parseGroupMod } from '../../ofproto/messages/index.ts'
import { ModelLab, outputText, VXLAN_PORT } from './model-lab.ts'
import { flowTables, groupTexts } from './model-flows.ts'
import { packets } from './model-packets.ts'

/** Of tunnels. Not of a documentation range: machines that run tests have those. */
const encapIps = ['198.18.71.1', '198.18.71.2', '198.18.71.3'] as const
const [LOCAL, ...OTHERS] = encapIps
const ends = { local: ipv4(LOCAL) ?? 0, others: OTHERS.map((text) => ipv4(text) ?? 0) }
const hosts = encapIps.map((encapIp, i) => ({ ...host(i + 1), encapIp }))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** One packet through both; what the model says has left. */
async function compare(lab: ModelLab, model: ModelSwitch, arrival: Arrival): Promise<readonly string[]> {
  const ours = model.trace(arrival)
  const theirs = await lab.trace(arrival)
  const context = `${formatTrace(ours)}\n\n${theirs.text}\n${hex(arrival.bytes)}`
  const outputs = ours.outputs.map(({ port: number, tunnel }) => outputText(number, tunnel)).toSorted()
  if (theirs.outputs !== null) {
    // Both traces stand in the message of a failure.
    const [seen, wanted] = [
      { outputs, packetIns: ours.packetIns.length, context },
      { outputs: theirs.outputs, packetIns: theirs.packetIns, context },
    ]
    expect(seen).toEqual(wanted)
  }
  await lab.receive(arrival)
  return ours.outputs.map(({ port: number, tunnel, bytes }) => `${outputText(number, tunnel)}: ${hex(bytes)}`)
}

test('the model and ovs-vswitchd do the same with packets of the apps’ networks, to the byte', async () => {
  const stations = [
    [1, 1, 2],
    [1, 1, 3],
    [2, 1, 4],
    [3, 1, 5],
    [1, 2, 2],
    [2, 2, 3],
  ] as const
  const pairs = [{ ip_address: '10.0.1.200', mac_address: '00:00:5e:00:01:01' }]
  const { fabric, deployment } = simulate({
    hosts,
    networks: [network(1), network(2)],
    subnets: [subnet(1), subnet(2)],
    ports: [
      ...stations.map(([, n, i]) => port(n, i, i === 3 ? { allowed_address_pairs: pairs } : {})),
      gateway(1, 1),
      gateway(2, 1),
    ],
    routers: [router(1, { routes: [{ destination: '192.0.2.0/24', nexthop: '10.0.1.4' }] })],
    vifs: stations.map(([h, n, i]) => vif(h, n, i)),
  })
  const locals = stations.filter(([h]) => h === 1).map(([, n, i]) => n * 256 + i)
  await using lab = await ModelLab.start(locals, LOCAL, OTHERS)
  await lab.install([...deployment.itemsOf('host1').values()].map(({ frame }) => decodeMessage(frame)))
  const known = {
    macs: [
      ...stations.map(([, n, i]) => mac(port(n, i).mac_address)),
      mac(port(1, 1).mac_address),
      mac(port(2, 1).mac_address),
    ],
    addresses: [
      '10.0.1.1',
      '10.0.1.2',
      '10.0.1.3',
      '10.0.1.4',
      '10.0.1.5',
      '10.0.1.200',
      '10.0.2.1',
      '10.0.2.2',
      '10.0.2.3',
      '10.0.2.99',
      '192.0.2.9',
    ].map((text) => ipv4(text) ?? 0),
  }
  const senders = stations
    .filter(([h]) => h === 1)
    .map(([, n, i]) => ({
      inPort: n * 256 + i,
      mac: mac(port(n, i).mac_address),
      address: ipv4(`10.0.${n}.${i}`) ?? 0,
    }))
  const arrivals = fc.sample(packets(known, senders, VXLAN_PORT, ends), { seed: 3, numRuns: 500 })
  const left: string[] = []
  for (const arrival of arrivals) left.push(...(await compare(lab, fabric.switchOf('host1'), arrival)))
  expect(await lab.transmitted(left.length)).toEqual(left.toSorted())
  // The packets are worth the name only if many get somewhere.
  expect(left.length).toBeGreaterThan(arrivals.length / 4)
})

test.each([1, 2, 3, 4, 5])('random tables with every kind of action: the same, to the byte (seed %i)', async (seed) => {
  const ports = [258, 259, 514]
  const known = {
    macs: [0x0200_0000_0102, 0x0200_0000_0103, 0x0200_0000_0202],
    addresses: ['10.0.1.2', '10.0.1.3', '10.0.2.2'].map((text) => ipv4(text) ?? 0),
  }
  const senders = ports.map((inPort, i) => ({
    inPort,
    mac: known.macs[i] ?? 0,
    address: known.addresses[i] ?? 0,
  }))
  const [texts = []] = fc.sample(flowTables(ports, { port: VXLAN_PORT, to: OTHERS[0] }), { seed, numRuns: 1 })
  const flows = texts.map((text) => parseFlowMod('add', text))
  const groups = groupTexts(ports).map((text) => parseGroupMod('add', text))
  await using lab = await ModelLab.start(ports, LOCAL, OTHERS)
  await lab.install([...groups, ...flows])
  const model = new ModelSwitch(ends.local)
  for (const number of ports) model.ports.set(number, plainPort)
  model.ports.set(VXLAN_PORT, tunnelPort)
  for (const each of flows) model.addFlow(each)
  for (const each of groups) model.groups.set(each.group, each)
  const arrivals = fc.sample(packets(known, senders, VXLAN_PORT, ends), { seed, numRuns: 100 })
  const left: string[] = []
  for (const arrival of arrivals) left.push(...(await compare(lab, model, arrival)))
  const local = (text: string): boolean => !text.startsWith('4294967294:')
  expect(await lab.transmitted(left.filter(local).length)).toEqual(left.filter(local).toSorted())
})
