import { expect, test } from 'vitest'
import { encodeMessage } from '../ofproto/messages/index.ts'
import { alarmOfSwitch } from './alarms.ts'
import { limitingMeter } from './pipeline/flow.ts'
import { limitMeter, portMeter } from './pipeline/meters.ts'

/** OFPET_METER_MOD_FAILED, OFPMMFC_OUT_OF_METERS */
const none = { experimenter: null, data: new Uint8Array() }
const error = encodeMessage({ kind: 'error', version: 4, xid: 1, type: 12, code: 10, ...none })
const alarm = (meter: number, portAt: (ofport: number) => string | undefined) => {
  const held = limitingMeter({ meter, perSecond: 5, burst: 4 })
  const event = { kind: 'refused', verb: 'put', held, error, times: 1, retryInMs: 1000 } as const
  return alarmOfSwitch('host1', event, portAt)
}

test('an alarm says which port is not limited as the switch has no meter for it, in the words of the switch', () => {
  const port = (ofport: number): string | undefined => (ofport === 7 ? 'p7' : undefined)
  expect(alarm(limitMeter(7, 'ingress', 'packets'), port)).toEqual([
    'host1',
    `meter:${limitMeter(7, 'ingress', 'packets')}`,
    expect.stringMatching(/^port p7 is not limited \(ingress\): OFPMMFC_OUT_OF_METERS: meter=\d+ pktps burst/),
  ])
  expect(alarm(limitMeter(8, 'egress', 'kilobits'), port)[2]).toMatch(/^port 8 is not limited \(egress\): /)
})

test('a meter for something else that is refused is no port without limits', () => {
  expect(alarm(portMeter(7), () => 'p7')[2]).toMatch(/^OFPMMFC_OUT_OF_METERS: meter=/)
})
