// What may be asked of a fleet, by name: the process that runs it answers these (main.ts), the one that started it asks them
// (process.ts). Arguments and results cross processes, so they are plain data.
import { refusals } from './tables.ts'
import type { Fleet, Totals, Watched } from './fleet.ts'
import { interfaceOf, nowMs, objectOf } from './fleet.ts'

export function commands(fleet: Fleet) {
  return {
    totals: (): Totals => fleet.totals(),
    memory: (): number => process.memoryUsage.rss(),
    /** Gives when. */
    plug: (host: number, ports: readonly string[]): number => {
      fleet.host(host).plug(ports.map((port) => [interfaceOf(port), port]))
      return nowMs()
    },
    unplug: (host: number, port: string): void => fleet.host(host).unplug(interfaceOf(port)),
    ofport: (host: number, port: string): number | null => fleet.host(host).ofport(interfaceOf(port)),
    watch: (uuid: string): void => fleet.watch(uuid),
    watched: (uuid: string): Watched => fleet.watched(uuid),
    unwatch: (uuid: string): void => fleet.unwatch(uuid),
    /** The OFPT_FLOW_MODs that would put on a switch what is there. */
    flows: (host: number): Uint8Array[] =>
      Array.from(fleet.host(host).switch.tables.flows.values(), ({ frame }) => Uint8Array.from(frame)),
    flowCounts: (): number[] => fleet.hosts.map((host) => host.switch.tables.flows.size),
    disconnect: (host: number): void => fleet.host(host).disconnect(),
    stall: (host: number): void => fleet.host(host).stall(),
    resume: (host: number): void => fleet.host(host).resume(),
    restartSwitch: (host: number): void => fleet.host(host).restartSwitch(),
    latency: (host: number, milliseconds: number): void => {
      fleet.host(host).link.latencyMilliseconds = milliseconds
    },
    /** Flows of this object are refused as by a full table; null: nothing is. */
    refuse: (host: number, uuid: string | null): void => {
      const object = uuid === null ? null : objectOf(uuid)
      const isGuilty = (cookie: bigint): boolean => (cookie & 0xffff_ffff_ffffn) === object
      fleet.host(host).switch.refuse =
        object === null
          ? null
          : (message) =>
              message.kind === 'flow_mod' && message.command === 'add' && isGuilty(message.cookie)
                ? refusals.tableFull
                : null
    },
  }
}

export type Commands = ReturnType<typeof commands>

export interface Question {
  readonly id: number
  readonly name: keyof Commands
  readonly args: readonly unknown[]
}
export type Answer = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string })
