import { add, compare, invalid, type AttributeValue, type Item } from './value.ts';

/** Names and values that an expression refers to. */
export interface Bindings {
  readonly names: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, AttributeValue>>;
}

export type Condition = (item: Item | undefined, bindings: Bindings) => boolean;
export interface Update {
  readonly apply: (item: Item, bindings: Bindings) => Item;
  /** The attributes that it names, in the words of the table. */
  readonly touched: (bindings: Bindings) => readonly string[];
}
interface Operand {
  /** As it is written. */
  readonly text: string;
  value(item: Item | undefined, bindings: Bindings): AttributeValue | undefined;
}

const token = /\s*(?:(<>|<=|>=|[=<>(),+-])|([A-Za-z_#:][\w.#-]*))/y;
const maxLength = 4096;
const comparisons: Readonly<Record<string, (order: number | undefined) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order !== undefined && order < 0,
  '<=': (order) => order !== undefined && order <= 0,
  '>': (order) => order !== undefined && order > 0,
  '>=': (order) => order !== undefined && order >= 0,
};

const conditions = new Map<string, Condition>();
const updates = new Map<string, Update>();

/** Compiles a ConditionExpression; texts are few and come again, so the result is kept. */
export function condition(text: string): Condition {
  return kept(conditions, text, () => {
    const reader = read(text);
    const result = disjunction(reader);
    reader.end();
    return result;
  });
}

/** Compiles an UpdateExpression of SET and REMOVE clauses. */
export function update(text: string): Update {
  return kept(updates, text, () => {
    const reader = read(text);
    const steps: Step[] = [];
    while (!reader.done()) {
      const clause = reader.next().toUpperCase();
      if (clause !== 'SET' && clause !== 'REMOVE') throw invalid(`Invalid UpdateExpression: the clause ${clause} is not played here`);
      do steps.push(clause === 'SET' ? assignment(reader) : removal(reader));
      while (reader.maybe(','));
    }
    const touched = (bindings: Bindings): readonly string[] => steps.map((step) => step.attribute(bindings));
    return {
      touched,
      apply(item, bindings) {
        const names = touched(bindings);
        if (new Set(names).size < names.length) throw invalid('Invalid UpdateExpression: Two document paths overlap with each other');
        if (names.includes('pk'))
          throw invalid('One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key');
        const after: Record<string, AttributeValue> = { ...item };
        // All operands are the item as it was before the update.
        for (const step of steps) step.run(item, after, bindings);
        return after;
      },
    };
  });
}

function kept<T>(cache: Map<string, T>, text: string, make: () => T): T {
  let found = cache.get(text);
  if (found === undefined) {
    if (text.length > maxLength) throw invalid('Expression size has exceeded the maximum allowed size');
    found = make();
    if (cache.size < 1000) cache.set(text, found);
  }
  return found;
}

interface Reader {
  peek(): string | undefined;
  next(): string;
  maybe(wanted: string): boolean;
  expect(wanted: string): void;
  done(): boolean;
  end(): void;
}

function read(text: string): Reader {
  const tokens: string[] = [];
  token.lastIndex = 0;
  for (let at = 0; text.slice(at).trim() !== ''; at = token.lastIndex) {
    const match = token.exec(text);
    if (match === null) throw invalid(`Invalid expression: Syntax error near "${text.slice(at, at + 10)}"`);
    tokens.push(match[1] ?? match[2] ?? '');
  }
  let at = 0;
  const reader: Reader = {
    peek: () => tokens[at],
    next() {
      const found = tokens[at++];
      if (found === undefined) throw invalid('Invalid expression: Syntax error; it ends too soon');
      return found;
    },
    maybe(wanted) {
      if (tokens[at]?.toUpperCase() !== wanted) return false;
      at++;
      return true;
    },
    expect(wanted) {
      if (!reader.maybe(wanted)) throw invalid(`Invalid expression: Syntax error; "${wanted}" was expected`);
    },
    done: () => at >= tokens.length,
    end() {
      if (at < tokens.length) throw invalid(`Invalid expression: Syntax error near "${tokens[at] ?? ''}"`);
    },
  };
  return reader;
}

function disjunction(reader: Reader): Condition {
  let left = conjunction(reader);
  while (reader.maybe('OR')) {
    const [a, b] = [left, conjunction(reader)];
    left = (item, bindings) => a(item, bindings) || b(item, bindings);
  }
  return left;
}

function conjunction(reader: Reader): Condition {
  let left = negation(reader);
  while (reader.maybe('AND')) {
    const [a, b] = [left, negation(reader)];
    left = (item, bindings) => a(item, bindings) && b(item, bindings);
  }
  return left;
}

function negation(reader: Reader): Condition {
  if (reader.maybe('NOT')) {
    const inner = negation(reader);
    return (item, bindings) => !inner(item, bindings);
  }
  if (reader.maybe('(')) {
    const inner = disjunction(reader);
    reader.expect(')');
    return inner;
  }
  const word = reader.peek()?.toLowerCase();
  if (word === 'attribute_exists' || word === 'attribute_not_exists') {
    reader.next();
    reader.expect('(');
    const attribute = path(reader.next());
    reader.expect(')');
    return (item, bindings) => (item !== undefined && Object.hasOwn(item, attribute(bindings))) === (word === 'attribute_exists');
  }
  const left = operand(reader);
  const operator = reader.next();
  const holds = comparisons[operator];
  if (holds === undefined) throw invalid(`Invalid expression: Syntax error near "${operator}"`);
  const right = operand(reader);
  if (!left.text.startsWith(':') && !right.text.startsWith(':')) throw invalid('the comparison of two attributes is not played here');
  const isOrdering = operator !== '=' && operator !== '<>';
  return (item, bindings) => {
    const [a, b] = [left.value(item, bindings), right.value(item, bindings)];
    for (const [side, value] of [[left, a] as const, [right, b] as const]) {
      if (isOrdering && side.text.startsWith(':') && value !== undefined && ('BOOL' in value || 'NULL' in value))
        throw invalid(`Invalid ConditionExpression: Incorrect operand type for operator or function; operator: ${operator}`);
    }
    // A comparison with an attribute that is not there is false, but that it differs from every value is true.
    return a === undefined || b === undefined ? operator === '<>' : holds(compare(a, b));
  };
}

interface Step {
  attribute(bindings: Bindings): string;
  run(before: Item, after: Record<string, AttributeValue>, bindings: Bindings): void;
}

function assignment(reader: Reader): Step {
  const attribute = path(reader.next());
  reader.expect('=');
  const value = sum(reader);
  return {
    attribute,
    run(before, after, bindings) {
      const result = value(before, bindings);
      if (result === undefined) throw invalid('The provided expression refers to an attribute that does not exist in the item');
      after[attribute(bindings)] = result;
    },
  };
}

function removal(reader: Reader): Step {
  const attribute = path(reader.next());
  return {
    attribute,
    run(_, after, bindings) {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the attribute's name is data
      delete after[attribute(bindings)];
    },
  };
}

function sum(reader: Reader): Operand['value'] {
  const left = operand(reader);
  const sign = reader.maybe('+') ? 1 : reader.maybe('-') ? -1 : undefined;
  if (sign === undefined) return (item, bindings) => left.value(item, bindings);
  const right = operand(reader);
  return (item, bindings) => {
    const [a, b] = [left.value(item, bindings), right.value(item, bindings)];
    if (a === undefined || b === undefined) throw invalid('The provided expression refers to an attribute that does not exist in the item');
    return add(a, b, sign);
  };
}

function operand(reader: Reader): Operand {
  const word = reader.next();
  if (word.toLowerCase() === 'if_not_exists') {
    reader.expect('(');
    const attribute = path(reader.next());
    reader.expect(',');
    const other = operand(reader);
    reader.expect(')');
    return { text: '', value: (item, bindings) => item?.[attribute(bindings)] ?? other.value(item, bindings) };
  }
  if (word.startsWith(':')) {
    return {
      text: word,
      value(_, bindings) {
        const value = bindings.values[word];
        if (value === undefined)
          throw invalid(`Invalid expression: An expression attribute value used in expression is not defined; attribute value: ${word}`);
        return value;
      },
    };
  }
  const attribute = path(word);
  return { text: word, value: (item, bindings) => item?.[attribute(bindings)] };
}

function path(word: string): (bindings: Bindings) => string {
  if (!/^#?\w+$/.test(word)) throw invalid(`Invalid expression: the document path "${word}" is not played here`);
  if (!word.startsWith('#')) {
    if (reserved.has(word.toUpperCase()))
      throw invalid(`Invalid expression: Attribute name is a reserved keyword; reserved keyword: ${word}`);
    return () => word;
  }
  return (bindings) => {
    const name = bindings.names[word];
    if (name === undefined)
      throw invalid(`Invalid expression: An expression attribute name used in the document path is not defined; attribute name: ${word}`);
    return name;
  };
}

// Of DynamoDB's 573 reserved words those that a column is likely to be called.
const reserved = new Set(
  'STATE STATUS NAME TTL DATE TIME TIMESTAMP KEY KEYS VALUE VALUES VERSION_ COUNT COUNTER DATA TYPE USER USERS OWNER ORDER LIMIT SEQUENCE TOKEN URL ZONE HASH INDEX LEVEL POSITION RANGE REGION RESULT ROLE SIZE SOURCE TABLE TEXT VIEW YEAR MONTH DAY HOUR MINUTE SECOND'.split(
    ' ',
  ),
);
