// What the switch has is compared with what it should have: damage is repaired and reported, what others do is left alone.
import { expect, test } from 'vitest'
import { errors } from './memory-switch.ts'
import { FOREIGN, fromPort, gone, group, have, Lab, meter, output, started, toGroup } from './samples.ts'

test('a missing flow, a changed one and a stale one are reported and repaired', () => {
  const lab = started(fromPort(1), fromPort(2), fromPort(3))
  const { device } = lab
  const [first] = [...device.flows.keys()] as [string]
  device.flows.delete(first)
  device.receive(fromPort(2, { actions: [output(6)] }).frame)
  device.receive(fromPort(4).frame)
  lab.pass(60_500)
  const [drift] = lab.of('drift')
  expect(drift?.missing.map(({ key }) => key)).toEqual([fromPort(1).key])
  expect(drift?.changed.map(({ held }) => held.key)).toEqual([fromPort(2).key])
  expect(drift?.unexpected.map(({ key }) => key)).toEqual([fromPort(4).key])
  expect([...device.flows.values()].map(({ instructions }) => instructions)).toEqual([[], [], []])
  lab.pass(40_000)
  expect(lab.of('drift')).toHaveLength(1)
})

test('a deleted group comes back before the flows that it took with it', () => {
  const lab = started(toGroup(1, 5), group(5, 9))
  lab.device.deleteGroup(5)
  lab.pass(16_500)
  expect([lab.device.flows.size, lab.device.groups.size]).toEqual([1, 1])
  expect(lab.of('refused')).toEqual([])
})

test('a deleted meter comes back', () => {
  const lab = started(fromPort(1, { meter: 7 }), meter(7, 9))
  lab.device.deleteMeter(7)
  lab.pass(16_500)
  expect([lab.device.flows.size, lab.device.meters.size]).toEqual([1, 1])
})

test('foreign flows, groups and meters are reported once and left alone', () => {
  const lab = started(fromPort(1))
  for (const item of [fromPort(2, { cookie: FOREIGN }), group(2_000, 1), meter(2_000, 1)]) {
    lab.device.receive(item.frame)
  }
  lab.pass(60_000)
  expect(lab.of('foreign')).toMatchObject([{ count: 3 }])
  expect([lab.device.flows.size, lab.device.groups.size, lab.device.meters.size]).toEqual([2, 1, 1])
  expect(lab.of('drift')).toEqual([])
})

test('what Weft ignores is neither reported nor touched', () => {
  const lab = started()
  lab.device.receive(fromPort(2, { cookie: 1n }).frame)
  lab.pass(60_000)
  expect(lab.of('foreign')).toEqual([])
  expect(lab.device.flows.size).toBe(1)
})

test('a foreign flow in the place of ours is replaced, but never removed', () => {
  const lab = started(fromPort(1), fromPort(2))
  lab.device.receive(fromPort(1, { cookie: FOREIGN }).frame)
  lab.pass(60_500)
  expect([...lab.device.flows.values()].map(({ cookie }) => cookie)).not.toContain(FOREIGN)
  lab.device.receive(fromPort(2, { cookie: FOREIGN }).frame)
  lab.desire(2, gone(fromPort(1), fromPort(2)))
  lab.run()
  expect([...lab.device.flows.values()].map(({ cookie }) => cookie)).toEqual([FOREIGN])
})

test('a foreign flow in the place of one that was never realised stays', () => {
  const lab = new Lab()
  lab.device.receive(fromPort(1, { cookie: FOREIGN }).frame)
  lab.device.refuse = () => errors.tableFull
  lab.desire(1, have(fromPort(1)))
  lab.connect().run()
  lab.device.refuse = () => null
  lab.desire(2, gone(fromPort(1)))
  lab.run()
  expect([...lab.device.flows.values()].map(({ cookie }) => cookie)).toEqual([FOREIGN])
})

test.each(['before', 'after'])('changes sent %s the switch is asked what it has are no drift', (when) => {
  const lab = new Lab({ stallMs: Infinity })
  lab.desire(1, have(fromPort(1)))
  lab.connect().run()
  const change = () => lab.desire(2, [...have(fromPort(2)), ...gone(fromPort(1))])
  if (when === 'before') change()
  lab.nowMs += 15_500
  lab.session.tick(lab.nowMs)
  if (when === 'after') change()
  lab.run().pass(60_000)
  expect(lab.of('drift')).toEqual([])
  expect(lab.count('flow_mod')).toBe(3)
})

test('what is told while a change is still being made counts neither as drift nor as its absence', () => {
  const lab = started(fromPort(1))
  lab.desired.settled = false
  lab.desired.change([...have(fromPort(2)), ...gone(fromPort(1))])
  lab.pass(15_500)
  expect(lab.mods).toBe(1)
  lab.session.desire(2, { removed: [[fromPort(1)]], added: [[fromPort(2)]] })
  lab.run()
  lab.desired.settled = true
  lab.pass(60_000)
  expect(lab.of('drift')).toEqual([])
  expect(lab.mods).toBe(3)
})

test('a switch that connects while a change is being made is compared with the whole of it', () => {
  const lab = started(fromPort(1))
  lab.disconnect()
  lab.desired.settled = false
  lab.desired.items.clear()
  lab.connect().run().pass(1_000)
  expect([lab.session.state, lab.mods]).toEqual(['reading', 1])
  lab.desired.change(have(fromPort(1)))
  lab.desired.settled = true
  lab.pass(500)
  expect([lab.session.state, lab.mods]).toEqual(['ready', 1])
})

test('an audit that is due waits for its turn, one for which there is a sign does not', () => {
  const lab = started()
  const wait = (): void => {
    for (const end = lab.nowMs + 40_000; lab.nowMs < end;) lab.session.tick((lab.nowMs += 500), null)
  }
  const before = lab.session.counters.audits
  wait()
  expect(lab.session.counters.audits).toBe(before)
  expect(lab.session.auditDueMs).toBeLessThan(lab.nowMs)
  lab.session.tick(lab.nowMs, 'few')
  expect(lab.session.counters.audits).toBe(before + 1)
  expect(lab.session.auditDueMs).toBe(Infinity)
  lab.run()
  lab.device.flows.clear()
  lab.device.refuse = () => errors.tableFull
  lab.desire(2, have(fromPort(99)))
  lab.run()
  lab.session.tick((lab.nowMs += 2_000), null)
  expect(lab.session.counters.audits).toBe(before + 2)
})

test('a flow monitor makes the audit come at once', () => {
  const lab = started(fromPort(1))
  lab.pass(2_000)
  const [[key, mod]] = [...lab.device.flows] as [[string, never]]
  lab.device.flows.delete(key)
  lab.device.tell(mod)
  lab.run().pass(500)
  expect(lab.of('drift')).toHaveLength(1)
  expect(lab.device.flows.size).toBe(1)
})

test('flows of others that a flow monitor tells of are reported within seconds, however often they change', () => {
  const lab = started(fromPort(1))
  const audits = lab.session.counters.audits
  lab.device.receive(fromPort(7, { cookie: FOREIGN }).frame)
  const mod = [...lab.device.flows.values()].find(({ cookie }) => cookie === FOREIGN) as never
  const tellFor = (milliseconds: number): void => {
    for (let past = 0; past < milliseconds; past += 500) {
      lab.device.tell(mod)
      lab.run().pass(500)
    }
  }
  tellFor(5_500)
  expect(lab.of('foreign')).toHaveLength(1)
  tellFor(14_500)
  expect(lab.session.counters.audits - audits).toBeLessThanOrEqual(20 / 5)
})

test('what the switch writes in other bytes that mean the same is no drift', () => {
  const lab = new Lab()
  const longer = [{ kind: 'output' as const, port: 2, maxLength: 0xffff }]
  lab.device.rewrite = (mod) => ({ ...mod, instructions: [{ kind: 'apply_actions', actions: longer }] })
  lab.desire(1, have(fromPort(1, { actions: [output(2)] })))
  lab.connect().run().pass(60_000)
  lab.disconnect()
  lab.connect().run()
  expect(lab.of('drift')).toEqual([])
  expect(lab.count('flow_mod')).toBe(1)
})

/** How often groups have been read, and flows. */
const readings = ({ device }: Lab): number[] =>
  ['group_desc', 'flow'].map(
    (kind) => device.log.filter((each) => each.kind === 'multipart_request' && each.body.kind === kind).length,
  )

test('between readings of all, groups and meters are read alone; what they show makes flows be read too', () => {
  const lab = started(fromPort(1), toGroup(2, 5), group(5, 9))
  expect(readings(lab)).toEqual([1, 1])
  lab.pass(59_000)
  expect(readings(lab)).toEqual([4, 1])
  lab.pass(1_500)
  expect(readings(lab)).toEqual([5, 2])
  const [first] = [...lab.device.flows.keys()] as [string]
  lab.device.flows.delete(first)
  lab.device.deleteGroup(5)
  lab.pass(16_500)
  expect(readings(lab)).toEqual([7, 3])
  expect([lab.device.groups.size, lab.device.flows.size]).toEqual([1, 2])
})

test('of a switch that does not tell of changed flows each reading is of all', () => {
  const lab = new Lab()
  lab.device.hasMonitor = false
  lab.connect().run().pass(59_000)
  expect(readings(lab)).toEqual([4, 4])
})

test('the same damage is repaired again and again', () => {
  const lab = started(fromPort(1))
  const spoil = () => lab.device.receive(fromPort(1, { actions: [output(6)] }).frame)
  spoil()
  lab.pass(60_500)
  spoil()
  lab.pass(60_500)
  expect(lab.of('drift')).toHaveLength(2)
  expect([...lab.device.flows.values()].map(({ instructions }) => instructions)).toEqual([[]])
})
