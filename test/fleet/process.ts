// A fleet in a process of its own, so that it shares no event loop with the controller or the one who measures.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Answer, Commands, Question } from './commands.ts'

export interface FleetProcessOptions {
  /** tcp:ADDRESS:PORT of the controller's OVSDB listener. */
  readonly manager: string
  /** For each host, the UUIDs of the ports that are plugged in from the start. */
  readonly ports: readonly (readonly string[])[]
  readonly latencyMilliseconds?: number
}

interface Waiter {
  resolve(result: unknown): void
  reject(error: Error): void
}

export class FleetProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiters = new Map<number, Waiter>()
  #next = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (answer: Answer) => {
      const waiter = this.#waiters.get(answer.id)
      this.#waiters.delete(answer.id)
      if ('error' in answer) waiter?.reject(new Error(answer.error))
      else waiter?.resolve(answer.result)
    })
    child.on('exit', (code) => {
      for (const waiter of this.#waiters.values()) waiter.reject(new Error(`the fleet has ended with ${code}`))
    })
  }

  /** The hosts begin to connect at once. */
  static async start(options: FleetProcessOptions): Promise<FleetProcess> {
    const child = fork(join(import.meta.dirname, 'main.ts'), { serialization: 'advanced' })
    await once(child, 'spawn')
    child.send(options)
    return new FleetProcess(child)
  }

  get pid(): number {
    return this.#child.pid as number
  }

  ask<N extends keyof Commands>(name: N, ...args: Parameters<Commands[N]>): Promise<ReturnType<Commands[N]>> {
    const question: Question = { id: this.#next++, name, args }
    this.#child.send(question)
    return new Promise((resolve, reject) => {
      this.#waiters.set(question.id, { resolve, reject })
    })
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
