// What switch sessions tell, for the log.
import type { Logger } from 'pino'
import { describe, describeError } from './switch/describe.ts'
import type { SwitchEvent } from './switch/events.ts'

/** Of what drifted, so much is described. */
const SHOWN = 3

type Logged = Extract<SwitchEvent, { kind: 'synchronized' | 'drift' | 'stalled' | 'role' | 'stray_error' }>

export function logSwitchEvent(log: Logger, host: string, event: Logged): void {
  switch (event.kind) {
    case 'synchronized':
      log.info({ host, ...event }, 'switch compared')
      return
    case 'drift': {
      const { missing, changed, unexpected } = event
      const counts = { missing: missing.length, changed: changed.length, unexpected: unexpected.length }
      const items = [...missing, ...unexpected, ...changed.map(({ held }) => held)]
      log.warn({ host, ...counts, first: items.slice(0, SHOWN).map(describe) }, 'drift repaired')
      return
    }
    case 'stalled':
      log.warn({ host, waitedMs: event.waitedMs }, 'switch does not answer')
      return
    case 'role':
      log.debug({ host, role: event.role }, 'switch')
      return
    case 'stray_error':
      log.warn({ host, error: describeError(event.error) }, 'error from the switch')
  }
}
