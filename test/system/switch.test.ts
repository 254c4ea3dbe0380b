// A switch session against a real ovs-vswitchd: over TCP, as hosts connect, with ovs-ofctl as the hand that damages.
import { afterEach, beforeEach, describe as suite, expect, test } from 'vitest'
import { listen } from '../../controller/connect/openflow.ts'
import type { Listener } from '../../ovsdb/index.ts'
import type { Channel } from '../../controller/connect/channel.ts'
import { flowOf } from '../../controller/pipeline/packed-flow.ts'
import type { Item } from '../../controller/pipeline/value.ts'
import { describe, describeError } from '../../controller/switch/describe.ts'
import type { SwitchEvent } from '../../controller/switch/events.ts'
import { Wishes, type Change } from '../../controller/switch/samples.ts'
import { SwitchSession } from '../../controller/switch/session.ts'
import { encodeMessage, parseFlowMod, parseGroupMod, parseMeterMod } from '../../ofproto/messages/index.ts'
import type { FlowMod } from '../../ofproto/messages/flow.ts'
import { Ovs } from '../lab/ovs.ts'
import { until } from '../lab/run.ts'

const BRIDGE = 'br0'
const OURS = 0x5700_0000_0000_0001n

/** An item of a flow_mod; the cookie is ours. */
const made = (mod: FlowMod): Item => flowOf(encodeMessage({ ...mod, cookie: OURS, xid: 0 }))

/** A flow in ovs-ofctl's language. */
const flow = (text: string): Item => made(parseFlowMod('add', text))

/** An action that OVS lists in other bytes: the length counts only towards the controller. */
const LONG = { kind: 'output', port: 2, maxLength: 0xffff } as const

function group(text: string): Item {
  const mod = { ...parseGroupMod('add', text), xid: 0 }
  return { kind: 'group', key: `group:${mod.group}`, id: mod.group, frame: encodeMessage(mod) }
}

function meter(text: string): Item {
  const mod = { ...parseMeterMod('add', text), xid: 0 }
  return { kind: 'meter', key: `meter:${mod.meter}`, id: mod.meter, frame: encodeMessage(mod) }
}

const have = (...items: readonly Item[]): Change[] => items.map((item) => [item.key, item])
const gone = (...items: readonly Item[]): Change[] => items.map(({ key }) => [key, null])

/** A controller of one switch: a listener, a clock, and a session that may be replaced by a new one. */
class Controller implements AsyncDisposable {
  session: SwitchSession
  private readonly desired = new Wishes()
  events: SwitchEvent[] = []
  channel: Channel | null = null
  private readonly listener: Listener
  private readonly timer: NodeJS.Timeout
  private generation: bigint
  private readonly auditMs: number

  private constructor(listener: Listener, auditMs: number, generation: bigint) {
    this.listener = listener
    this.auditMs = auditMs
    this.generation = generation
    this.session = this.newSession()
    this.timer = setInterval(() => this.session.tick(performance.now()), 20)
  }

  static async start(auditMs = 1_000_000, generation = 0n): Promise<Controller> {
    let self: Controller | null = null
    const onFrame = (frame: Uint8Array, channel: Channel): boolean =>
      self !== null && channel === self.channel && self.session.receive(frame)
    const listener = await listen('ptcp:0:127.0.0.1', { claim: onFrame }, (channel) => self?.accept(channel))
    self = new Controller(listener, auditMs, generation)
    return self
  }

  get remote(): string {
    return `tcp:127.0.0.1:${this.listener.port}`
  }

  private newSession(): SwitchSession {
    return new SwitchSession({
      desired: this.desired,
      owns: {
        flow: (cookie) => (cookie >> 56n === 0x57n ? 'weft' : 'foreign'),
        group: (id) => (id < 1_000 ? 'weft' : 'foreign'),
        meter: (id) => (id < 1_000 ? 'weft' : 'foreign'),
      },
      send: (bytes) => this.channel?.sendFrames(bytes),
      report: (event) => this.events.push(event),
      auditMs: this.auditMs,
    })
  }

  desire(revision: number, changes: readonly Change[]): void {
    this.session.desire(revision, this.desired.change(changes))
  }

  private accept(channel: Channel): void {
    this.channel = channel
    this.session.connected(performance.now(), ++this.generation)
    void channel.closed.then(() => {
      if (this.channel === channel) this.session.disconnected()
    })
  }

  /** Starts over as a new process would: nothing remembered, the same intent. The switch reconnects by itself. */
  restart(...items: readonly Item[]): void {
    this.session.disconnected()
    this.session = this.newSession()
    this.desired.items.clear()
    this.desire(1, have(...items))
    this.events = []
    this.channel?.close()
  }

  of<K extends SwitchEvent['kind']>(kind: K): Extract<SwitchEvent, { kind: K }>[] {
    return this.events.filter((event) => event.kind === kind) as Extract<SwitchEvent, { kind: K }>[]
  }

  async confirmed(revision: number): Promise<void> {
    await until(`revision ${revision} is confirmed`, () => this.of('confirmed').some((e) => e.revision === revision))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer)
    this.channel?.close()
    await this.listener.close()
  }
}

let ovs: Ovs
let controller: Controller

/** Connects the bridge, with these items desired, and waits until it has them. */
async function bring(...items: readonly Item[]): Promise<void> {
  controller.desire(1, have(...items))
  await ovs.vsctl('set-controller', BRIDGE, controller.remote)
  await controller.confirmed(1)
}

/** The switch's flows as ovs-ofctl prints them, without counters. */
async function flows(): Promise<string[]> {
  const text = await ovs.ofctl('--no-stats', 'dump-flows', BRIDGE)
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .sort()
}

const described = (...items: readonly Item[]): string[] => items.map(describe).sort()

/** Replaces the controller, that leaves finding damage to the flow monitor, by one that reads the switch often. */
async function auditOften(): Promise<void> {
  await controller[Symbol.asyncDispose]()
  controller = await Controller.start(200)
}

beforeEach(async () => {
  ovs = await Ovs.start()
  await ovs.addBridge(BRIDGE, ['p1', 'p2'])
  controller = await Controller.start()
})
afterEach(async () => {
  await controller[Symbol.asyncDispose]()
  await ovs.stop()
})

/** Matches and actions of all the families that services use. */
const TEXTS = [
  'arp,arp_tpa=10.0.0.1,arp_op=1,actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:02:00:00:00:00:01->eth_src,set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:02:00:00:00:00:01->arp_sha,move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:10.0.0.1->arp_spa,in_port',
  'icmp6,icmp_type=135,nd_target=fd00::1,actions=set_field:136->icmpv6_type,controller(userdata=00.01.02,pause)',
  'ct_state=+trk+est-rel,ct_zone=5,ct_mark=0x7/0xf,ct_label=0x1,ip,actions=ct(commit,zone=NXM_NX_REG3[0..15],nat(src=10.0.0.1-10.0.0.9:1000-2000,random),exec(set_field:0x7->ct_mark,set_field:0x1/0x1->ct_label)),goto_table:40',
  'tcp,tcp_src=0x400/0xfc00,tcp_flags=+syn-ack,nw_ttl=3,nw_tos=8,actions=dec_ttl,set_field:5->reg0,load:0x3->NXM_NX_REG1[4..7],set_field:0x1/0xf->xreg2,resubmit(,42)',
  'dl_vlan=10,dl_vlan_pcp=3,actions=strip_vlan,push_vlan:0x8100,set_field:4106->vlan_vid,output:2',
  'tun_id=0x10/0xff,tun_src=1.2.3.4,metadata=0x12/0xff,actions=set_field:1.1.1.1->tun_dst,set_field:0x77->tun_id,output:1',
  'reg0=0x1/0xff,xxreg1=0x1,ipv6,ipv6_src=fd00::/64,actions=push:NXM_NX_REG1[],pop:NXM_NX_REG2[],clone(set_field:1->reg3,output:1)',
  'ip,nw_frag=later,actions=learn(table=50,idle_timeout=10,priority=3,cookie=0x1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[])',
  'conj_id=7,ip,actions=multipath(symmetric_l4,50,hrw,4,0,NXM_NX_REG1[0..7]),bundle(eth_src,0,hrw,ofport,slaves:1,2)',
  'udp,ip_dst=10.0.0.0/8,udp_dst=53,actions=conjunction(3,1/2)',
  'sctp,actions=meter:7,write_actions(group:5),write_metadata:0x5/0xff,goto_table:60',
  'mpls,mpls_label=5,actions=pop_mpls:0x0800,resubmit(,61)',
  'pkt_mark=0x1,actions=check_pkt_larger(1514)->NXM_NX_REG0[0],sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3),note:00.01,NORMAL',
  'dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=group:8',
  'in_port=LOCAL,dl_type=0x88cc,actions=CONTROLLER:128,LOCAL,ALL,FLOOD',
  'vlan_tci=0x1000/0x1000,send_flow_rem,actions=set_queue:3,output:1,pop_queue,output(port=1,max_len=100),output:NXM_NX_REG0[0..15]',
  'actions=drop',
] as const

suite('a real switch', () => {
  test('gets flows, groups and meters, and after a restart of the controller no message that changes anything', async () => {
    const items = [
      meter('meter=7,pktps,burst,band=type=drop,rate=100,burst_size=10'),
      group('group_id=5,type=select,bucket=weight:2,actions=output:1,bucket=weight:1,actions=output:2'),
      group('group_id=6,type=all,bucket=actions=output:1'),
      flow('table=0,priority=10,in_port=1,actions=meter:7,goto_table:1'),
      flow('table=1,priority=5,tcp,nw_dst=10.0.0.0/8,tp_dst=80,actions=group:5'),
      flow('table=1,priority=0,actions=group:6'),
    ]
    await bring(...items)
    expect(controller.session.refusals.size).toBe(0)
    expect(await flows()).toHaveLength(3)
    controller.restart(...items)
    await controller.confirmed(1)
    expect(controller.of('synchronized')).toMatchObject([{ kept: 6, missing: 0, changed: 0, unexpected: 0 }])
    expect(controller.session.counters).toMatchObject({ flowMods: 0, groupMods: 0, meterMods: 0, bundles: 0 })
  })

  test('gets 10,000 flows, keeps them over a restart of the controller, and is brought to what changed meanwhile', async () => {
    const items = Array.from({ length: 10_000 }, (_, i) =>
      flow(
        `table=${i % 8},priority=${100 + (i % 7)},ip,reg1=${i},nw_dst=10.${i >> 8}.${i & 255}.1,actions=set_field:${i}->reg2,output:2`,
      ),
    )
    await bring(...items)
    expect(await flows()).toHaveLength(10_000)
    expect(controller.session.counters).toMatchObject({ flowMods: 10_000, bundles: 5, errors: 0 })
    controller.restart(...items.slice(10))
    await controller.confirmed(1)
    expect(controller.of('synchronized')).toMatchObject([{ kept: 9_990, unexpected: 10 }])
    expect(controller.session.counters.flowMods).toBe(10)
    expect(await flows()).toHaveLength(9_990)
  })

  test('lists what it was sent, of every kind, so that nothing is sent again', async () => {
    const items = [
      meter('meter=8,pktps,band=type=drop,rate=100'),
      meter('meter=7,kbps,burst,stats,band=type=drop,rate=100,burst_size=10'),
      group(
        'group_id=5,type=select,bucket=weight:2,actions=set_field:10.0.0.1->ip_dst,output:1,bucket=weight:1,actions=drop',
      ),
      group('group_id=6,type=ff,bucket=watch_port:1,actions=output:1,bucket=watch_port:2,actions=output:2'),
      group('group_id=7,type=indirect,bucket=actions=resubmit(,3)'),
      group(
        'group_id=8,type=all,bucket=actions=move:NXM_NX_REG1[]->NXM_NX_REG2[],ct(commit,zone=5),bucket=actions=group:7',
      ),
      ...TEXTS.map((text, i) => flow(`table=${i},priority=${i},${text}`)),
      made({
        ...parseFlowMod('add', 'table=30,actions=drop'),
        instructions: [{ kind: 'apply_actions', actions: [LONG] }],
      }),
    ]
    await bring(...items)
    expect(controller.of('refused').map(({ held, error }) => [describe(held), describeError(error)])).toEqual([])
    controller.restart(...items)
    await controller.confirmed(1)
    expect(controller.of('synchronized')).toMatchObject([{ kept: items.length, changed: 0, unexpected: 0 }])
    expect(controller.session.counters.flowMods).toBe(0)
    const listed = await flows()
    for (const text of described(...items.filter(({ kind }) => kind === 'flow'))) expect(listed).toContain(text)
  })

  test('that was restarted gets everything again', async () => {
    const items = [flow('in_port=1,actions=group:5'), group('group_id=5,type=all,bucket=actions=output:2')]
    await bring(...items)
    controller.events.length = 0
    await ovs.stopSwitch()
    await ovs.startSwitch()
    await controller.confirmed(1)
    expect(await flows()).toEqual(described(items[0] as Item))
    expect(controller.of('synchronized')).toMatchObject([{ kept: 0, missing: 2 }])
  })

  test('is left empty by apply and revert', async () => {
    const items = [
      flow('in_port=1,actions=meter:7,group:5'),
      group('group_id=5,type=all,bucket=actions=output:2'),
      meter('meter=7,kbps,band=type=drop,rate=1000'),
    ]
    await bring(...items)
    controller.desire(2, gone(...items))
    await controller.confirmed(2)
    expect(await flows()).toEqual([])
    expect(await ovs.ofctl('dump-groups', BRIDGE)).not.toContain('group_id')
    expect(await ovs.ofctl('dump-meters', BRIDGE)).not.toContain('meter=7')
  })
})

suite('a flow that a real switch refuses', () => {
  test('is isolated and reported with the name of the error; the rest is realised', async () => {
    const good = [flow('in_port=1,actions=output:2'), flow('in_port=2,actions=output:1')]
    const orphan = flow('table=3,in_port=1,actions=group:9')
    // An action that needs IP, without the match: ovs-ofctl would not say it, but a program can.
    const frame = Buffer.from(flow('table=4,priority=7,ip,actions=dec_ttl').frame)
    const bare = flow('table=4,priority=7,actions=output:2').frame
    const wrong = Buffer.concat([bare.subarray(0, 56), frame.subarray(64)])
    wrong.writeUInt16BE(wrong.length, 2)
    const inconsistent = flowOf(wrong)
    await bring(...good, orphan, inconsistent)
    expect(await flows()).toEqual(described(...good))
    const errors = controller.of('refused').map(({ held, error }) => [held.key, describeError(error)])
    expect(new Map(errors as [string, string][])).toEqual(
      new Map([
        [orphan.key, 'OFPBAC_BAD_OUT_GROUP'],
        [inconsistent.key, 'OFPBAC_MATCH_INCONSISTENT'],
      ]),
    )
  })

  test('is realised as soon as what it needs is there', async () => {
    const orphans = Array.from({ length: 20 }, (_, i) => flow(`table=3,in_port=${i + 1},actions=group:9`))
    await bring(...orphans)
    expect(controller.session.refusals.size).toBe(20)
    controller.desire(2, have(group('group_id=9,type=all,bucket=actions=output:2')))
    await until('all are realised', () => controller.session.refusals.size === 0)
    expect(await flows()).toHaveLength(20)
  })
})

test('of two controllers, the one with the higher generation takes over without a message that changes anything', async () => {
  await using successor = await Controller.start(1_000_000, 10n)
  const item = flow('in_port=1,actions=output:2')
  successor.desire(1, have(item))
  await bring(item)
  await ovs.vsctl('set-controller', BRIDGE, controller.remote, successor.remote)
  await successor.confirmed(1)
  expect(successor.session.counters.flowMods).toBe(0)
  await until('the first stands by', () => controller.session.state === 'standby')
  controller.desire(2, have(flow('in_port=2,actions=output:1')))
  successor.desire(2, have(flow('in_port=3,actions=output:1')))
  await successor.confirmed(2)
  expect(await flows()).toEqual(described(item, flow('in_port=3,actions=output:1')))
})

suite('damage by hand', () => {
  const items = [
    flow('in_port=1,actions=output:2'),
    flow('in_port=2,actions=group:5'),
    flow('table=1,actions=meter:7,output:1'),
    group('group_id=5,type=all,bucket=actions=output:1'),
    meter('meter=7,pktps,band=type=drop,rate=100'),
  ]
  const flowItems = items.slice(0, 3)

  const repaired = async (): Promise<void> => {
    await until('drift is reported', () => controller.of('drift').length > 0)
    await until('the switch is repaired', () => controller.session.settled)
    expect(await flows()).toEqual(described(...flowItems))
    expect(await ovs.ofctl('dump-groups', BRIDGE)).toContain('group_id=5,type=all,bucket=actions=output:1')
    expect(await ovs.ofctl('dump-meters', BRIDGE)).toContain('rate=100')
  }

  test.each([
    ['del-flows', ['del-flows', BRIDGE]],
    ['mod-flows', ['mod-flows', BRIDGE, 'in_port=1,actions=drop']],
    ['add-flow over ours', ['add-flow', BRIDGE, 'in_port=1,actions=drop']],
    ['del-groups', ['del-groups', BRIDGE]],
    ['del-meters', ['del-meters', BRIDGE]],
  ] as const)('with %s is seen by the flow monitor, reported and repaired', async (_, command) => {
    await bring(...items)
    await ovs.ofctl(...command)
    await repaired()
  })

  test('that no flow monitor sees is found by an audit', async () => {
    await auditOften()
    await bring(...items)
    await ovs.ofctl('mod-group', BRIDGE, 'group_id=5,type=all,bucket=actions=output:2')
    await repaired()
  })

  test('spares flows, groups and meters of others, which are reported', async () => {
    await auditOften()
    await ovs.vsctl('set-controller', BRIDGE, controller.remote)
    await until('the switch is connected', () => controller.session.settled)
    await ovs.ofctl('add-group', BRIDGE, 'group_id=2000,type=all,bucket=actions=output:1')
    await ovs.ofctl('add-meter', BRIDGE, 'meter=2000,pktps,band=type=drop,rate=5')
    await ovs.ofctl('add-flow', BRIDGE, 'table=9,cookie=0xf0,in_port=1,actions=group:2000')
    await bring(...items)
    await until('what is foreign is reported', () => controller.of('foreign').at(-1)?.count === 3)
    expect(controller.of('foreign').at(-1)?.items.map(describe).sort()).toEqual([
      'cookie=0xf0, table=9, in_port=1 actions=group:2000',
      'group_id=2000,type=all,bucket=actions=output:1',
      'meter=2000 pktps bands=\ntype=drop rate=5',
    ])
    controller.desire(2, gone(...items))
    await controller.confirmed(2)
    expect(await ovs.ofctl('--no-stats', 'dump-flows', BRIDGE)).toContain('cookie=0xf0')
    expect(controller.of('drift')).toEqual([])
  })
})
