import type { z } from 'zod';
import { type Answer, documentOf } from '../client.ts';
import { CliFault } from '../fault.ts';

/** What could be read, or the sentence why not, and what to do where the same is to be done whoever asks. */
export type Part<T> = Readonly<{ value: T } | { problem: string; advice?: string | undefined }>;

/** An answer in its form. Only wrong use, such as a missing token, still throws: no check could be made at all. */
export async function part<T>(answer: Promise<Answer>, schema: z.ZodType<T>): Promise<Part<T>> {
  try {
    return { value: documentOf(await answer, schema) };
  } catch (error) {
    if (error instanceof CliFault && error.exitCode === 1) {
      const { message: problem, advice } = error;
      return { problem, advice };
    }
    throw error;
  }
}
