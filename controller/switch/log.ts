// What a switch does that concerns only the log.
import type { Logger } from 'pino'
import { describe, describeError } from './describe.ts'
import type { SwitchEvent } from './events.ts'

type Told = Extract<SwitchEvent, { readonly kind: 'drift' | 'role' | 'stray_error' }>

export function logSwitch(log: Logger, host: string, event: Told): void {
  switch (event.kind) {
    case 'drift': {
      const { missing, changed, unexpected } = event
      const items = [...missing, ...unexpected, ...changed.map(({ held }) => held)]
      const counts = { missing: missing.length, changed: changed.length, unexpected: unexpected.length }
      return log.warn({ host, ...counts, first: items.slice(0, 3).map(describe) }, 'drift repaired')
    }
    case 'role':
      return log.debug({ host, role: event.role }, 'switch')
    case 'stray_error':
      return log.warn({ host, error: describeError(event.error) }, 'error from the switch')
  }
}
