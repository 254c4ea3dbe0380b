// How many packets get lost while something happens.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './fabric.ts'
import { startDaemon } from './run.ts'

export interface Losses {
  readonly sent: number
  readonly lost: number
}

/** Pings every `milliseconds` while `act` runs; up to the last packet that was answered. */
export async function pinging(
  from: Machine,
  address: string,
  milliseconds: number,
  act: () => Promise<unknown>,
): Promise<Losses> {
  const log = join(from.folder, `${randomUUID()}.ping`)
  const interval = String(milliseconds / 1000)
  const ping = await startDaemon('ping', ['-n', '-i', interval, address], { namespace: from.namespace, log })
  try {
    await act()
  } finally {
    await ping.stop('SIGINT')
  }
  // What was sent last may be answered too late to be counted.
  const answered = new Set(Array.from(readFileSync(log, 'utf8').matchAll(/icmp_seq=(\d+) /g), ([, n]) => Number(n)))
  const sent = Math.max(0, ...answered)
  return { sent, lost: sent - answered.size }
}
