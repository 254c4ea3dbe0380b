// ISC's DHCP client in a machine: it prints each message that it sends and gets, asks for its last address again,
// takes T1 and T2 from the server, and declines a lease when its script says so.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './fabric.ts'
import { run, startDaemon, until, type Daemon } from './run.ts'

/** A lease for `$refused` fails, which dhclient takes for a duplicate address. */
const script = (refused: string): string => `#!/bin/sh
[ "$new_ip_address" = '${refused}' ] && exit 1
case "$reason" in
BOUND|RENEW|REBIND|REBOOT)
  ip addr flush dev $interface
  ip addr add $new_ip_address/$new_subnet_mask dev $interface
  [ -n "$new_routers" ] && ip route replace default via $new_routers
  ;;
esac
exit 0
`

/** Tries again after seconds instead of minutes. */
const SETTINGS = 'initial-interval 1; backoff-cutoff 2; retry 2; reboot 3; timeout 20;\n'

interface Settings {
  /** An address that the client had at another time and asks for first. */
  readonly last?: string
  /** An address that the client takes for a duplicate. */
  readonly refused?: string
}

const lastLease = (address: string): string => `lease {
  interface "eth0";
  fixed-address ${address};
  option dhcp-message-type 5;
  option subnet-mask 255.255.255.0;
  expire never;
}
`

export class Dhclient implements AsyncDisposable {
  readonly #vm: Machine
  readonly #files: string
  readonly #daemon: Daemon

  private constructor(vm: Machine, files: string, daemon: Daemon) {
    this.#vm = vm
    this.#files = files
    this.#daemon = daemon
  }

  static async start(vm: Machine, { last, refused = '' }: Settings = {}): Promise<Dhclient> {
    const files = join(vm.folder, `${vm.name}.dhclient`)
    writeFileSync(`${files}.conf`, SETTINGS)
    writeFileSync(`${files}.script`, script(refused), { mode: 0o755 })
    writeFileSync(`${files}.leases`, last === undefined ? '' : lastLease(last))
    const daemon = await startDaemon('dhclient', ['-d', ...Dhclient.#arguments(files)], {
      namespace: vm.namespace,
      log: `${files}.log`,
    })
    return new Dhclient(vm, files, daemon)
  }

  static #arguments(files: string): string[] {
    const paths = ['-cf', `${files}.conf`, '-sf', `${files}.script`, '-lf', `${files}.leases`, '-pf', `${files}.pid`]
    return ['-4', '-v', ...paths, 'eth0']
  }

  /** The messages sent and got so far, as dhclient words them. */
  messages(): readonly string[] {
    const lines = readFileSync(`${this.#files}.log`, 'utf8').split('\n')
    return lines.filter((line) => line.startsWith('DHCP')).map((line) => line.replace(/ on eth0| interval \d+/g, ''))
  }

  /** Waits until the messages from `from` on contain these, one after another. */
  async says(expected: readonly string[], from = 0): Promise<void> {
    const inOrder = (): boolean => {
      let at = from
      const said = this.messages()
      return expected.every((message) => (at = said.indexOf(message, at) + 1) > 0)
    }
    await until('the client says what is expected', inOrder, 20).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${expected.join('\n')}\nbut it said\n${this.messages().join('\n')}`)
    })
  }

  /** Gives the lease back; what the client said then. */
  async release(): Promise<string> {
    await this.#daemon.stop('SIGKILL')
    const args = ['netns', 'exec', this.#vm.namespace, 'sh', '-c', 'exec dhclient "$@" 2>&1', 'sh', '-r']
    return run('ip', [...args, ...Dhclient.#arguments(this.#files)])
  }

  stop(): Promise<void> {
    return this.#daemon.stop('SIGKILL')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
