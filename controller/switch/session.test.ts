import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../../ofproto/wire/errors.ts'
import { NO_CHANGE } from './desired.ts'
import { errors } from './memory-switch.ts'
import { flow, FOREIGN, fromPort, gone, group, have, Lab, meter, output, started, toGroup, Wishes } from './samples.ts'
import { SwitchSession } from './session.ts'

const isFor = (port: number) => (message: object) =>
  'match' in message && JSON.stringify(message.match).includes(`"value":${port}`)

describe('connecting', () => {
  test('an empty switch gets everything in one bundle, groups before flows, meters before all', () => {
    const lab = started(fromPort(1, { meter: 7 }), toGroup(2, 5), group(5, 9), meter(7, 100))
    const mods = lab.device.log.map(({ kind }) => kind).filter((kind) => kind.endsWith('_mod'))
    expect(mods).toEqual(['meter_mod', 'group_mod', 'flow_mod', 'flow_mod'])
    expect(lab.session.counters.bundles).toBe(1)
    expect(lab.device.flows.size).toBe(2)
    expect(lab.of('confirmed')).toEqual([{ kind: 'confirmed', revision: 1 }])
  })

  test('a switch that has it all gets no message that changes anything', () => {
    const items = [fromPort(1, { meter: 7 }), toGroup(2, 5), group(5, 9), meter(7, 100)]
    const lab = started(...items)
    const before = lab.mods
    lab.disconnect()
    const again = new Lab()
    Object.assign(again, { device: lab.device })
    again.desire(1, have(...items))
    again.connect().run()
    expect(lab.mods - before).toBe(0)
    expect(again.of('synchronized')).toEqual([{ kind: 'synchronized', kept: 4, missing: 0, changed: 0, unexpected: 0 }])
    expect(again.of('confirmed')).toEqual([{ kind: 'confirmed', revision: 1 }])
    // Nor does it cost memory: nothing is kept of what is as it should be.
    expect(again.session['odd'].size).toBe(0)
  })

  test('only what differs is sent: stale items go, changed ones are replaced', () => {
    const lab = started(fromPort(1), fromPort(2), group(5, 9), meter(7, 100))
    lab.disconnect()
    lab.desire(2, [...gone(fromPort(1)), ...have(fromPort(2, { actions: [output(3)] }), meter(7, 200))])
    const before = lab.mods
    lab.connect().run()
    expect(lab.mods - before).toBe(3)
    expect(lab.of('synchronized').at(-1)).toEqual({
      kind: 'synchronized',
      kept: 1,
      missing: 0,
      changed: 2,
      unexpected: 1,
    })
    expect([...lab.device.flows.values()].map((f) => f.instructions.length)).toEqual([1])
  })

  test('a restart of the switch is a connect: everything is sent again', () => {
    const lab = started(fromPort(1), toGroup(2, 5), group(5, 9), meter(7, 1))
    lab.disconnect()
    lab.device.restart()
    lab.connect().run()
    expect([lab.device.flows.size, lab.device.groups.size, lab.device.meters.size]).toEqual([2, 1, 1])
  })

  test('as many bundles as needed, one after another', () => {
    const lab = new Lab({ bundleSize: 10 })
    lab.desire(1, have(...Array.from({ length: 35 }, (_, i) => fromPort(i + 1))))
    lab.connect().run()
    expect(lab.session.counters.bundles).toBe(4)
    expect(lab.device.flows.size).toBe(35)
    expect(lab.of('confirmed')).toHaveLength(1)
  })
})

describe('changing', () => {
  test('what changes while a bundle is in flight goes out together in the next', () => {
    const lab = started()
    lab.desire(2, have(fromPort(1)))
    lab.desire(3, have(fromPort(2)))
    lab.desire(4, [...have(fromPort(3)), ...gone(fromPort(2))])
    lab.run()
    expect(lab.session.counters.bundles).toBe(2)
    expect(lab.count('flow_mod')).toBe(2)
    expect(lab.of('confirmed').map(({ revision }) => revision)).toEqual([1, 2, 4])
  })

  test('apply and revert leaves nothing behind', () => {
    const items = [fromPort(1, { meter: 7 }), toGroup(2, 5), group(5, 9), meter(7, 100)]
    const lab = started(...items)
    lab.desire(2, gone(...items))
    lab.run()
    expect([lab.device.flows.size, lab.device.groups.size, lab.device.meters.size]).toEqual([0, 0, 0])
    const deletes = lab.device.log.filter((m) => 'command' in m && m.command.startsWith('delete')).map((m) => m.kind)
    expect(deletes).toEqual(['flow_mod', 'flow_mod', 'group_mod', 'meter_mod'])
  })

  test('a change that changes nothing is confirmed without a message', () => {
    const lab = started(fromPort(1))
    const before = lab.mods
    lab.desire(2, have(fromPort(1)))
    lab.desire(3, [])
    expect(lab.mods).toBe(before)
    expect(lab.of('confirmed').map(({ revision }) => revision)).toEqual([1, 2, 3])
  })

  test('meters are modified in place', () => {
    const lab = started(fromPort(1, { meter: 7 }), meter(7, 100))
    lab.desire(2, have(meter(7, 500)))
    lab.run()
    expect(lab.device.meters.get(7)).toMatchObject({ command: 'modify', bands: [{ rate: 500 }] })
    expect(lab.device.flows.size).toBe(1)
  })
})

describe('refusals', () => {
  test.each(['add', 'commit'] as const)('a flow refused at %s is isolated, and the rest is realised', (moment) => {
    const lab = new Lab()
    lab.device.refuse = (mod, when) => (when === moment && isFor(2)(mod) ? errors.tableFull : null)
    lab.desire(1, have(fromPort(1), fromPort(2), fromPort(3)))
    lab.connect().run()
    expect(lab.device.flows.size).toBe(2)
    expect([...lab.session.refusals.keys()]).toEqual([fromPort(2).key])
    expect(lab.of('refused')).toMatchObject([{ verb: 'put', held: { key: fromPort(2).key }, times: 1 }])
    expect(lab.of('confirmed')).toHaveLength(1)
  })

  test('it is tried again, later each time, until the switch takes it', () => {
    const lab = new Lab()
    lab.device.refuse = (mod) => (isFor(2)(mod) ? errors.tableFull : null)
    lab.desire(1, have(fromPort(1), fromPort(2)))
    lab.connect().run().pass(20_000)
    expect(lab.of('refused').map(({ retryInMs }) => retryInMs)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000])
    lab.device.refuse = () => null
    lab.pass(20_000)
    expect(lab.of('recovered')).toEqual([{ kind: 'recovered', key: fromPort(2).key }])
    expect(lab.device.flows.size).toBe(2)
    expect(lab.session.refusals.size).toBe(0)
  })

  test('many guilty ones are found in a few rounds', () => {
    const lab = new Lab()
    lab.device.refuse = (mod) => (isFor(2)(mod) ? errors.tableFull : null)
    const users = Array.from({ length: 50 }, (_, i) => toGroup(100 + i, 6))
    lab.desire(1, have(fromPort(1), ...users))
    lab.connect().run()
    expect(lab.session.refusals.size).toBe(50)
    expect(lab.device.flows.size).toBe(1)
    expect(lab.session.counters.bundles).toBeLessThanOrEqual(3)
  })

  test('flows refused for want of a group are tried as soon as the group is there', () => {
    const lab = started(toGroup(1, 5), toGroup(2, 5))
    expect(lab.session.refusals.size).toBe(2)
    lab.desire(2, have(group(5, 9)))
    lab.run()
    expect(lab.session.refusals.size).toBe(0)
    expect(lab.device.flows.size).toBe(2)
  })

  test('a bundle that fails without naming a message is sent message by message', () => {
    const lab = new Lab()
    lab.device.isMute = true
    lab.desire(1, have(fromPort(1), fromPort(2)))
    lab.connect().run()
    expect(lab.device.flows.size).toBe(2)
    expect(lab.session.refusals.size).toBe(0)
  })

  test('a switch without bundles gets plain messages, and nothing counts as refused', () => {
    const lab = new Lab()
    lab.device.hasBundles = false
    lab.desire(1, have(toGroup(1, 5), group(5, 2)))
    lab.connect().run()
    expect([lab.device.flows.size, lab.device.groups.size]).toEqual([1, 1])
    expect(lab.of('refused')).toEqual([])
  })

  test('what is refused when something else is already desired in its place is not reported', () => {
    const lab = started()
    lab.device.refuse = (mod) => ('instructions' in mod && mod.instructions.length > 0 ? errors.tableFull : null)
    lab.desire(2, have(fromPort(1, { actions: [output(2)] })))
    lab.desire(3, have(fromPort(1)))
    lab.run()
    expect(lab.of('refused')).toEqual([])
    expect(lab.device.flows.size).toBe(1)
  })

  test('a refusal because the switch lost something makes the audit come at once', () => {
    const lab = started(meter(7, 100))
    lab.device.deleteMeter(7)
    lab.desire(2, have(meter(7, 200)))
    lab.run()
    expect(lab.of('refused')).toHaveLength(1)
    lab.pass(2_000)
    expect(lab.of('drift')).toHaveLength(1)
    expect(lab.device.meters.get(7)).toMatchObject({ command: 'add', bands: [{ rate: 200 }] })
    expect(lab.of('recovered')).toHaveLength(1)
  })

  test('after a connect, what was refused before spoils no bundle', () => {
    const lab = started(fromPort(1), toGroup(2, 5))
    lab.disconnect()
    lab.device.restart()
    const { bundles } = lab.session.counters
    lab.connect().run()
    expect(lab.session.counters.bundles - bundles).toBe(1)
    expect(lab.of('refused').map(({ times }) => times)).toEqual([1, 2])
  })

  test('a refused item that is no longer desired is forgotten', () => {
    const lab = started(toGroup(1, 5))
    lab.desire(2, gone(toGroup(1, 5)))
    lab.run()
    expect(lab.session.refusals.size).toBe(0)
    expect(lab.session.settled).toBe(true)
  })
})

describe('what a switch may send', () => {
  test('nothing that it sends does more than end its connection', () => {
    const lab = started(fromPort(1, { meter: 7 }), toGroup(2, 5), group(5, 9), meter(7, 100), toGroup(3, 6))
    lab.device.receive(fromPort(9, { cookie: FOREIGN }).frame)
    const frames: Uint8Array[] = []
    const desired = new Wishes()
    desired.change(have(fromPort(1), fromPort(5), toGroup(6, 6)))
    const listen = { ...lab.session['options'], desired, send: (bytes: Uint8Array) => lab.device.receive(bytes) }
    const session = new SwitchSession(listen)
    session.desire(1, NO_CHANGE)
    session.connected(0, 1n)
    for (let answers = lab.device.answers(); answers.length > 0; answers = lab.device.answers()) {
      for (const answer of answers) {
        frames.push(answer)
        session.receive(answer)
      }
    }
    expect(session.state).toBe('ready')
    const spoilt = fc.array(fc.tuple(fc.nat(frames.length - 1), fc.nat(200), fc.nat(255)), { maxLength: 4 })
    fc.assert(
      fc.property(spoilt, (changes) => {
        const victim = new SwitchSession({ ...listen, send: () => {} })
        victim.desire(1, NO_CHANGE)
        victim.connected(0, 1n)
        try {
          frames.forEach((frame, i) => {
            const bytes = frame.slice()
            for (const [at, offset, value] of changes) if (at === i && offset >= 8) bytes[offset % bytes.length] = value
            victim.receive(bytes)
          })
          victim.tick(60_000)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('roles', () => {
  test('the role is claimed before anything is read', () => {
    const lab = new Lab().connect(3n).run()
    expect(lab.device.log[0]).toMatchObject({ kind: 'role_request', role: 'primary', generation: 3n })
    expect(lab.session.state).toBe('ready')
  })

  test('with an older generation, and when another becomes primary, nothing is sent', () => {
    const lab = new Lab().connect(3n).run()
    lab.device.demote()
    lab.run()
    expect(lab.session.state).toBe('standby')
    lab.desire(2, have(fromPort(1)))
    lab.pass(20_000)
    expect(lab.mods).toBe(0)
    lab.connect(2n).run()
    expect(lab.session.state).toBe('standby')
    lab.connect(4n).run()
    expect(lab.device.flows.size).toBe(1)
    expect(lab.of('role').map(({ role }) => role)).toEqual(['primary', 'standby', 'standby', 'primary'])
  })

  test('an error that says so makes it stand by, and nothing counts as refused', () => {
    const lab = started()
    lab.device.isPrimary = false
    lab.desire(2, have(fromPort(1)))
    lab.run()
    expect(lab.session.state).toBe('standby')
    expect(lab.of('refused')).toEqual([])
  })
})

describe('a switch that does not answer', () => {
  test('is reported as stalled once, with what it owes', () => {
    const lab = started()
    lab.desire(2, have(fromPort(1)))
    const wait = (ms: number) => {
      for (const end = lab.nowMs + ms; lab.nowMs < end;) lab.session.tick((lab.nowMs += 500))
    }
    wait(9_500)
    expect(lab.of('stalled')).toEqual([])
    wait(20_000)
    expect(lab.of('stalled')).toHaveLength(1)
    expect(lab.session.state).toBe('down')
  })

  test('is not blamed for what the controller has slept', () => {
    const lab = started()
    lab.desire(2, have(fromPort(1)))
    lab.session.tick(lab.nowMs + 60_000)
    lab.run()
    expect(lab.of('stalled')).toEqual([])
    expect(lab.of('confirmed').at(-1)).toEqual({ kind: 'confirmed', revision: 2 })
  })

  test('gets nothing more than what is in flight', () => {
    const lab = started()
    let writes = 0
    Object.assign(lab.session, { options: { ...lab.session['options'], send: () => (writes += 1) } })
    for (let i = 0; i < 1_000; i += 1) lab.desire(i + 2, have(flow({ priority: i })))
    expect(writes).toBe(1)
  })
})
