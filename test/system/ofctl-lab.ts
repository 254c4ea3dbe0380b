// A real ovs-vswitchd with one bridge in a folder of its own, and a proxy in front of the bridge that records what
// ovs-ofctl sends it: the only way to see the bytes that OVS makes of a text.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FLOW_MOD = 14

/** Runs a program of OVS to its end and gives what it prints; throws with its errors if it fails. */
export function run(
  program: string,
  args: readonly string[],
  input = '',
  env: NodeJS.ProcessEnv = process.env,
): string {
  const result = spawnSync(program, args, { input, env, encoding: 'utf8', maxBuffer: 1 << 30 })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`)
  return result.stdout
}

/** Cuts a stream into OpenFlow messages by their length. */
function framer(take: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 8 && rest.length >= rest.readUInt16BE(2)) {
      const length = rest.readUInt16BE(2)
      take(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
  }
}

export class OfctlLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'weft-ofctl-'))
  private readonly children: ChildProcess[] = []
  private readonly env: NodeJS.ProcessEnv = {
    ...process.env,
    OVS_RUNDIR: this.folder,
    OVS_LOGDIR: this.folder,
    OVS_DBDIR: this.folder,
  }

  async start(): Promise<void> {
    const at = (name: string): string => join(this.folder, name)
    run('ovsdb-tool', ['create', at('conf.db'), '/usr/share/openvswitch/vswitch.ovsschema'])
    this.daemon('ovsdb-server', [at('conf.db'), `--remote=punix:${at('db.sock')}`, `--unixctl=${at('ovsdb.ctl')}`])
    await this.vsctl('--no-wait', 'init')
    this.daemon('ovs-vswitchd', [
      `unix:${at('db.sock')}`,
      `--unixctl=${at('vswitchd.ctl')}`,
      '--enable-dummy=override',
      '--disable-system',
    ])
    const bridge = ['datapath_type=dummy', 'protocols=OpenFlow13', 'fail_mode=secure']
    await this.vsctl('--', 'add-br', 'br0', '--', 'set', 'bridge', 'br0', ...bridge)
  }

  stop(): void {
    for (const child of this.children) child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** The flow_mods that `ovs-ofctl add-flows` sends for these flows, in order. They do not reach the switch. */
  async flowMods(lines: readonly string[]): Promise<readonly Uint8Array[]> {
    const file = join(this.folder, 'flows.txt')
    writeFileSync(file, `${lines.join('\n')}\n`)
    const socket = join(this.folder, 'proxy.sock')
    const frames: Uint8Array[] = []
    const proxy = await this.proxy(socket, (frame) => frames.push(Uint8Array.from(frame)))
    try {
      await this.finish('ovs-ofctl', ['-O', 'OpenFlow13', 'add-flows', `unix:${socket}`, file])
    } finally {
      proxy.close()
    }
    return frames
  }

  private proxy(path: string, flowMod: (frame: Buffer) => void): Promise<Server> {
    const server = createServer((client) => {
      const bridge = connect(join(this.folder, 'br0.mgmt'))
      const drop = (): void => {
        client.destroy()
        bridge.destroy()
      }
      client.on('error', drop).on('close', drop)
      bridge.on('error', drop).on('close', drop)
      client.on(
        'data',
        framer((frame) => (frame[1] === FLOW_MOD ? flowMod(frame) : void bridge.write(frame))),
      )
      bridge.on('data', (chunk: Buffer) => void (client satisfies Socket).write(chunk))
    })
    return new Promise((resolve) => {
      server.listen(path, () => resolve(server))
    })
  }

  private daemon(program: string, args: readonly string[]): void {
    this.children.push(spawn(program, args, { env: this.env, stdio: 'ignore' }))
  }

  private vsctl(...args: string[]): Promise<void> {
    const db = `--db=unix:${join(this.folder, 'db.sock')}`
    return this.finish('ovs-vsctl', [db, '--timeout=20', '--retry', ...args])
  }

  /** Runs a program until it ends well. */
  private finish(program: string, args: readonly string[]): Promise<void> {
    const child = spawn(program, args, { env: this.env })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(errors))))
    })
  }
}
