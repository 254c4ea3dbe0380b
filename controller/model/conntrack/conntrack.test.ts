// What ct finds out, packet by packet: a table tracks, the next one tells what it sees. test/system/conntrack.test.ts
// has real OVS see the same packets.
import { describe, expect, test } from 'vitest'
import { parseFlowMod } from '../../../ofproto/messages/index.ts'
import { formatFlags, ctStates } from '../../../ofproto/fields/flags.ts'
import { ModelSwitch } from '../switch.ts'
import { plainPort } from '../tables.ts'
import {
  echoFrame,
  fragmentFrames,
  icmpFrame,
  ipFrame,
  reply,
  sctpFrame,
  TCP_FLAGS,
  tcpFrame,
  udpFrame,
  unreachableFrame,
  type Ends,
} from '../testing-packets.ts'

const a4: Ends = { fromMac: 0x0200_0000_000a, toMac: 0x0200_0000_000b, from: '10.0.0.1', to: '10.0.0.2' }
const a6: Ends = { ...a4, from: '2001:db8::1', to: '2001:db8::2' }

/** Commits what is new in zone 5; packets leave by port 2. */
const committing = [
  'ip,actions=ct(zone=5,table=1)',
  'ipv6,actions=ct(zone=5,table=1)',
  'table=1,ct_state=+new+trk,ip,actions=controller,ct(commit,zone=5),output:2',
  'table=1,ct_state=+new+trk,ipv6,actions=controller,ct(commit,zone=5),output:2',
  'table=1,priority=1,actions=controller,output:2',
]

function switchWith(flows: readonly string[] = committing): ModelSwitch {
  const model = new ModelSwitch()
  for (const number of [1, 2]) model.ports.set(number, plainPort)
  for (const text of flows) model.addFlow(parseFlowMod('add', text))
  return model
}

/** The states in which a table behind ct sees the packet, and its fragments; none while it is held. */
function states(model: ModelSwitch, bytes: Uint8Array): string[] {
  const { packetIns, error } = model.trace({ bytes, inPort: 1 })
  expect(error).toBeNull()
  return packetIns.map(({ metadata }) => formatFlags(ctStates, Number(metadata.get('ct_state') ?? 0)))
}

/** Whether a table behind ct finds the match to be the packet's. */
const sees = (model: ModelSwitch, bytes: Uint8Array, match: string): boolean => {
  model.addFlow(parseFlowMod('add', `table=1,priority=60000,${match},actions=drop`))
  const seen = model.trace({ bytes, inPort: 1 }).outputs.length === 0
  model.removeFlow(parseFlowMod('add', `table=1,priority=60000,${match},actions=drop`))
  return seen
}

describe.each([
  ['IPv4', a4],
  ['IPv6', a6],
])('%s', (_, ends) => {
  test('a TCP connection is new until it is answered and then established, each way', () => {
    const model = switchWith()
    const { syn, synAck, ack } = TCP_FLAGS
    const back = reply(ends)
    expect(states(model, tcpFrame(ends, [1000, 80], syn, { sequence: 100 }))).toEqual(['new|trk'])
    expect(states(model, tcpFrame(ends, [1000, 80], syn, { sequence: 100 }))).toEqual(['new|trk'])
    const answer = tcpFrame(back, [80, 1000], synAck, { sequence: 500, acknowledgement: 101 })
    expect(states(model, answer)).toEqual(['est|rpl|trk'])
    const data = { sequence: 101, acknowledgement: 501, data: 'GET' }
    expect(states(model, tcpFrame(ends, [1000, 80], ack, data))).toEqual(['est|trk'])
    const far = { sequence: 900_000, acknowledgement: 501, data: 'GET' }
    expect(states(model, tcpFrame(ends, [1000, 80], ack, far))).toEqual(['inv|trk'])
  })

  test('a connection that is closed by both ends may be opened again', () => {
    const model = switchWith()
    const { syn, synAck, ack, fin } = TCP_FLAGS
    const back = reply(ends)
    const there = (flags: number, sequence: number, acknowledgement: number): string[] =>
      states(model, tcpFrame(ends, [1000, 80], flags, { sequence, acknowledgement }))
    const here = (flags: number, sequence: number, acknowledgement: number): string[] =>
      states(model, tcpFrame(back, [80, 1000], flags, { sequence, acknowledgement }))
    expect([there(syn, 100, 0), here(synAck, 500, 101), there(ack, 101, 501)].flat()).toEqual([
      'new|trk',
      'est|rpl|trk',
      'est|trk',
    ])
    expect([there(fin | ack, 101, 501), here(fin | ack, 501, 102), there(ack, 102, 502)].flat()).toEqual([
      'est|trk',
      'est|rpl|trk',
      'est|trk',
    ])
    expect(there(syn, 7000, 0)).toEqual(['new|trk'])
    expect(here(synAck, 9000, 7001)).toEqual(['est|rpl|trk'])
  })

  test('the answer to a SYN that was not seen is invalid, as are impossible flags and wrong checksums', () => {
    const model = switchWith()
    const { syn, fin, synAck, ack } = TCP_FLAGS
    expect(states(model, tcpFrame(ends, [1000, 80], synAck))).toEqual(['inv|trk'])
    expect(states(model, tcpFrame(ends, [1000, 80], syn | fin))).toEqual(['inv|trk'])
    const broken = tcpFrame(ends, [1000, 80], syn)
    broken[broken.length - 1] = 1
    expect(states(model, broken)).toEqual(['inv|trk'])
    // Picked up in the middle, as after a move.
    expect(states(model, tcpFrame(ends, [1000, 80], ack, { sequence: 7, acknowledgement: 9 }))).toEqual(['new|trk'])
  })

  test('UDP is established by a packet of the other direction, and by nothing else', () => {
    const model = switchWith()
    const [there, here] = [udpFrame(ends, [5000, 53]), udpFrame(reply(ends), [53, 5000])]
    expect([there, there, here, there].flatMap((each) => states(model, each))).toEqual([
      'new|trk',
      'new|trk',
      'est|rpl|trk',
      'est|trk',
    ])
    expect(states(model, udpFrame(ends, [5001, 53]))).toEqual(['new|trk'])
  })

  test('an echo reply belongs to its request, by identifier; one without a request is invalid', () => {
    const model = switchWith()
    expect(states(model, echoFrame(ends, 'request', 7))).toEqual(['new|trk'])
    expect(states(model, echoFrame(reply(ends), 'reply', 7))).toEqual(['est|rpl|trk'])
    expect(states(model, echoFrame(reply(ends), 'reply', 8))).toEqual(['inv|trk'])
    expect(states(model, echoFrame(ends, 'reply', 7))).toEqual(['inv|trk'])
  })

  test('an ICMP error is related to the connection that it is about, from either end or from between', () => {
    const model = switchWith()
    const [there, here] = [udpFrame(ends, [5000, 53]), udpFrame(reply(ends), [53, 5000])]
    states(model, there)
    expect(states(model, unreachableFrame(reply(ends), there))).toEqual(['rel|rpl|trk'])
    states(model, here)
    expect(states(model, unreachableFrame(ends, here))).toEqual(['rel|trk'])
    const router = ends === a4 ? '10.9.9.9' : '2001:db8:9::9'
    expect(states(model, unreachableFrame({ ...reply(ends), from: router }, there))).toEqual(['rel|rpl|trk'])
    expect(states(model, unreachableFrame(reply(ends), udpFrame(ends, [5000, 54])))).toEqual(['inv|trk'])
    const stranger = { ...reply(ends), to: router }
    expect(states(model, unreachableFrame(stranger, there))).toEqual(['inv|trk'])
  })

  test('an ICMP error shows the addresses and ports of the connection’s first packet', () => {
    const model = switchWith()
    const there = udpFrame(ends, [5000, 53])
    states(model, there)
    const error = unreachableFrame(reply(ends), there)
    const [family, source, target] =
      ends === a4 ? ['ip', 'ct_nw_src', 'ct_nw_dst'] : ['ipv6', 'ct_ipv6_src', 'ct_ipv6_dst']
    const tuple = `${family},ct_state=+trk-inv,${source}=${ends.from},${target}=${ends.to},ct_nw_proto=17`
    expect(sees(model, error, `${tuple},ct_tp_src=5000,ct_tp_dst=53`)).toBe(true)
    expect(sees(model, error, `${tuple},ct_tp_src=53,ct_tp_dst=5000`)).toBe(false)
  })

  test('fragments are held until all are there and share the connection of the whole', () => {
    const model = switchWith()
    const big = udpFrame(ends, [5000, 53], new Uint8Array(3000).fill(7))
    const parts = fragmentFrames(big, 1240, 1)
    expect(parts).toHaveLength(3)
    const [first = big, second = big, third = big] = parts
    expect(states(model, third)).toEqual([])
    expect(states(model, first)).toEqual([])
    const { packetIns, outputs } = model.trace({ bytes: second, inPort: 1 })
    expect(packetIns).toHaveLength(3)
    expect(outputs.map(({ bytes }) => Buffer.from(bytes))).toEqual(parts.map((each) => Buffer.from(each)))
    expect(states(model, udpFrame(reply(ends), [53, 5000]))).toEqual(['est|rpl|trk'])
    expect(fragmentFrames(big, 1240, 2).flatMap((each) => states(model, each))).toEqual(Array(3).fill('est|trk'))
  })

  test('ports of the tuple show with the first fragment, addresses and protocol with all', () => {
    const tuple = `${ends === a4 ? 'ip' : 'ipv6'},ct_state=+trk-inv,ct_nw_proto=17`
    const model = switchWith([
      ...committing.slice(0, 2),
      `cookie=1,table=1,${tuple},ct_tp_dst=53,actions=controller`,
      `cookie=2,table=1,${tuple},ip_frag=later,ct_tp_dst=0,actions=controller`,
    ])
    const parts = fragmentFrames(udpFrame(ends, [5000, 53], new Uint8Array(2000)), 1240, 1)
    const seen = parts.flatMap((bytes) => model.trace({ bytes, inPort: 1 }).packetIns.map(({ cookie }) => cookie))
    expect(seen).toEqual([1n, 2n])
  })

  test('fragments that are too small, overlap or came twice are invalid', () => {
    const model = switchWith()
    const big = udpFrame(ends, [5000, 53], new Uint8Array(3000))
    const [small = big] = fragmentFrames(big, 400, 1)
    expect(states(model, small)).toEqual(['inv|trk'])
    const [first = big] = fragmentFrames(big, 1240, 2)
    expect(states(model, first)).toEqual([])
    expect(states(model, first)).toEqual(['inv|trk'])
  })
})

test('zones keep equal connections apart, and flushing one forgets its own only', () => {
  const model = switchWith([
    'in_port=1,ip,actions=ct(zone=5,table=1),ct(zone=6,table=1)',
    'table=1,ip,ct_zone=5,ct_state=+new+trk,actions=controller,ct(commit,zone=5)',
    'table=1,ip,actions=controller',
  ])
  const [there, here] = [udpFrame(a4, [5000, 53]), udpFrame(reply(a4), [53, 5000])]
  states(model, there)
  expect(states(model, here)).toEqual(['est|rpl|trk', 'new|trk'])
  model.conntrack.flush(6)
  expect(states(model, there)).toEqual(['est|trk', 'new|trk'])
  model.conntrack.flush(5)
  expect(states(model, here)).toEqual(['new|trk', 'new|trk'])
})

test('SCTP and protocols without ports are told apart by addresses only, as in userspace OVS', () => {
  const model = switchWith()
  expect(states(model, sctpFrame(a4, [5000, 80]))).toEqual(['new|trk'])
  expect(states(model, sctpFrame(reply(a4), [80, 5000]))).toEqual(['est|rpl|trk'])
  expect(states(model, sctpFrame(a4, [5001, 81]))).toEqual(['est|trk'])
  expect(states(model, ipFrame(a4, 47, new Uint8Array(8)))).toEqual(['new|trk'])
  expect(sees(model, sctpFrame(a4, [5000, 80]), 'ip,ct_state=+trk-inv,ct_nw_proto=132,ct_tp_dst=0')).toBe(true)
})

test('ICMP that neither asks nor answers nor is an error is invalid: neighbour discovery among it', () => {
  const model = switchWith()
  expect(states(model, icmpFrame(a6, 135, 0, new Uint8Array(20)))).toEqual(['inv|trk'])
  expect(states(model, icmpFrame(a4, 9, 0, new Uint8Array(4)))).toEqual(['inv|trk'])
})

test('mark and label stay with the connection, and change by the bits that are set', () => {
  const model = switchWith([
    'udp,udp_dst=53,actions=ct(commit,zone=5,exec(set_field:0x12->ct_mark,set_field:0x77->ct_label)),ct(zone=5,table=1)',
    'udp,udp_src=53,actions=ct(commit,zone=5,exec(set_field:0x30/0xf0->ct_mark)),ct(zone=5,table=1)',
    'table=1,actions=controller',
  ])
  const seen = (bytes: Uint8Array): unknown[] => {
    const { metadata } = model.trace({ bytes, inPort: 1 }).packetIns[0] ?? { metadata: new Map() }
    return [
      metadata.get('ct_mark'),
      Buffer.from(metadata.get('ct_label') as Uint8Array)
        .toString('hex')
        .slice(-2),
    ]
  }
  expect(seen(udpFrame(a4, [5000, 53]))).toEqual([0x12, '77'])
  expect(seen(udpFrame(reply(a4), [53, 5000]))).toEqual([0x32, '77'])
})

test('what follows ct in a list does not know the connection; what follows ct_clear neither', () => {
  const model = switchWith([
    'ip,actions=ct(zone=5,table=1),resubmit(,1)',
    'table=1,actions=controller,ct_clear,controller',
  ])
  expect(states(model, udpFrame(a4, [5000, 53]))).toEqual(['new|trk', '0', '0', '0'])
})

test('commit with force turns a connection around', () => {
  const model = switchWith()
  const forced = switchWith(['ip,actions=ct(commit,force,zone=5),ct(zone=5,table=1)', 'table=1,actions=controller'])
  const [there, here] = [udpFrame(a4, [5000, 53]), udpFrame(reply(a4), [53, 5000])]
  expect([there, here].flatMap((each) => states(model, each))).toEqual(['new|trk', 'est|rpl|trk'])
  expect([there, here].flatMap((each) => states(forced, each))).toEqual(['new|trk', 'new|trk'])
})

test('resubmit with ct looks up the tuple of the first packet in place of the packet’s own', () => {
  const model = switchWith([
    'ip,actions=ct(zone=5,table=1)',
    'table=1,ip,ct_state=+new+trk,actions=ct(commit,zone=5),output:2',
    'table=1,ip,ct_state=+est+trk,actions=resubmit(,2,ct)',
    'table=2,udp,nw_src=10.0.0.1,udp_dst=53,actions=output:2',
  ])
  model.trace({ bytes: udpFrame(a4, [5000, 53]), inPort: 1 })
  const { outputs } = model.trace({ bytes: udpFrame(reply(a4), [53, 5000]), inPort: 1 })
  expect(outputs.map(({ port }) => port)).toEqual([2])
})

test('a packet that ct sends round without end is dropped', () => {
  const model = switchWith(['ip,actions=controller,ct(zone=5,table=0)'])
  expect(states(model, udpFrame(a4, [5000, 53]))).toHaveLength(7)
})

describe('helpers', () => {
  const helping = (alg: string): string[] => [
    'ip,actions=ct(zone=5,table=1)',
    'ipv6,actions=ct(zone=5,table=1)',
    `table=1,ct_state=+new-rel+trk,ip,actions=controller,ct(commit,zone=5,alg=${alg})`,
    `table=1,ct_state=+new-rel+trk,ipv6,actions=controller,ct(commit,zone=5,alg=${alg})`,
    'table=1,priority=2,ct_state=+new+rel+trk,ip,actions=controller,ct(commit,zone=5)',
    'table=1,priority=2,ct_state=+new+rel+trk,ipv6,actions=controller,ct(commit,zone=5)',
    'table=1,priority=1,actions=controller',
  ]
  const { syn, synAck, ack } = TCP_FLAGS

  /** A control connection on which one end says something. */
  function ftp(ends: Ends, by: 'client' | 'server', text: string): ModelSwitch {
    const model = switchWith(helping('ftp'))
    states(model, tcpFrame(ends, [1000, 21], syn, { sequence: 100 }))
    states(model, tcpFrame(reply(ends), [21, 1000], synAck, { sequence: 500, acknowledgement: 101 }))
    const data = `${text}\r\n`
    const said =
      by === 'client'
        ? tcpFrame(ends, [1000, 21], ack, { sequence: 101, acknowledgement: 501, data })
        : tcpFrame(reply(ends), [21, 1000], ack, { sequence: 501, acknowledgement: 101, data })
    states(model, said)
    return model
  }

  test.each([
    ['active', a4, 'client', 'PORT 10,0,0,1,8,1'],
    ['active, by IPv6', a6, 'client', 'EPRT |2|2001:db8::1|2049|'],
  ] as const)(
    'FTP, %s: the data connection of the server is related, and shows the control connection',
    (_, ends, by, text) => {
      const model = ftp(ends, by, text)
      const data = tcpFrame(reply(ends), [20, 2049], syn)
      expect(states(model, data)).toEqual(['new|rel|trk'])
      const [family, source] = ends === a4 ? ['ip', 'ct_nw_src'] : ['ipv6', 'ct_ipv6_src']
      expect(sees(model, data, `${family},ct_state=+trk-inv,${source}=${ends.from},ct_nw_proto=6,ct_tp_dst=21`)).toBe(
        true,
      )
      const answer = tcpFrame(ends, [2049, 20], synAck, { sequence: 9, acknowledgement: 2 })
      expect(states(model, answer)).toEqual(['est|rel|rpl|trk'])
      expect(states(model, tcpFrame(reply(ends), [20, 2050], syn))).toEqual(['new|trk'])
    },
  )

  test.each([
    ['passive', a4, '227 Entering Passive Mode (10,0,0,2,8,1).'],
    ['passive, by IPv6', a6, '229 Entering Extended Passive Mode (|||2049|)'],
  ] as const)('FTP, %s: the data connection of the client is related', (_, ends, text) => {
    const model = ftp(ends, 'server', text)
    expect(states(model, tcpFrame(ends, [3000, 2049], syn))).toEqual(['new|rel|trk'])
    expect(states(model, tcpFrame(reply(ends), [3000, 2049], syn))).toEqual(['new|trk'])
  })

  test('an FTP announcement of somebody else’s address is void', () => {
    const model = ftp(a4, 'client', 'PORT 10,0,0,9,8,1')
    expect(states(model, tcpFrame({ ...reply(a4), to: '10.0.0.9' }, [20, 2049], syn))).toEqual(['new|trk'])
    expect(states(model, tcpFrame(reply(a4), [20, 2049], syn))).toEqual(['new|trk'])
  })

  test('TFTP: the answer comes from a port of its own and is related', () => {
    const model = switchWith(helping('tftp'))
    states(model, udpFrame(a4, [3000, 69]))
    expect(states(model, udpFrame(reply(a4), [4000, 3000]))).toEqual(['new|rel|trk'])
    expect(states(model, udpFrame(a4, [3000, 4000]))).toEqual(['est|rel|rpl|trk'])
    model.conntrack.flush(5)
    expect(states(model, udpFrame(reply(a4), [4001, 3000]))).toEqual(['new|trk'])
  })
})
