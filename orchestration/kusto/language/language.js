// What Sluice asks of Microsoft's parser, as functions that take and return JSON.
// No error leaves this file: one that did would print a line of a megabyte (the parser's own, minified).
"use strict";
var sluice = (function () {
  const K = Kusto.Language, S = K.Symbols, P = K.Parsing;

  // Offsets are UTF-16 units, as the parser counts; Python's are found from them (`engine.py`).
  const span = (element) => [element.TextStart, element.TextStart + element.Width];

  function walk(element, visit) {
    if (visit(element) === false) return;
    for (let i = 0; i < element.ChildCount; i++) {
      const child = element.GetChild(i);
      if (child) walk(child, visit);
    }
  }

  function listed(collection) {
    const found = [];
    if (collection) {
      const each = Bridge.getEnumerator(collection);
      while (each.moveNext()) found.push(each.Current);
    }
    return found;
  }

  const diagnostic = (one) => ({
    start: one.Start, end: one.Start + one.Length,
    code: one.Code, severity: one.Severity, message: one.Message,
  });
  const diagnostics = (code) => listed(code.GetDiagnostics()).map(diagnostic);

  const nameOf = (element) => (element.SimpleName !== undefined ? element.SimpleName : element.Text) || "";

  function valueOf(element) {
    return element.LiteralValue !== undefined && element.LiteralValue !== null
      ? String(element.LiteralValue) : element.toString().trim();
  }

  // The grammar of some kinds of commands alone, made once: the parser tries every command that its grammar
  // has, a tenth of a second for each text. Who gets no answer by the few asks all of them.
  const few = {};
  function grammarOf(kinds) {
    const key = kinds.join();
    if (!few[key]) {
      const proto = P.EngineCommandGrammar.prototype, own = proto.CreateCommandParsers;
      proto.CreateCommandParsers = function (rules) {
        const chosen = own.call(this, rules).filter((info) => kinds.includes(info.Kind));
        return System.Array.init(chosen, P.CommandGrammar.CommandParserInfo);
      };
      try {
        few[key] = new P.EngineCommandGrammar(K.GlobalState.Default);
      } finally {
        proto.CreateCommandParsers = own;
      }
    }
    return few[key];
  }

  function read(root, text, told) {
    const found = { kind: "", extent: null, skipped: null, parts: [], diagnostics: told };
    walk(root, (element) => {
      if (element.CommandKind && !found.kind) {
        found.kind = element.CommandKind;
        found.extent = span(element);
      }
      if (element.Kind === K.Syntax.SyntaxKind.SkippedTokens) {
        if (element.Width) found.skipped = span(element);
        return false;
      }
      const part = element.NameInParent;
      if (!part || element.IsToken) return true;
      if (part === "FunctionName" || part === "TableName" || part === "MaterializedViewName"
          || part === "SourceTableName" || part === "PropertyName" || part === "ColumnName") {
        found.parts.push({ part, span: span(element), value: nameOf(element) });
        return false;
      }
      if (part === "Body" || part === "SourceBody" || part === "ViewBody") {
        found.parts.push({ part, span: span(element), value: "" });
        return false;
      }
      if (part !== "Statements" && part !== "Expression" && part !== "Command" && part !== "Custom") {
        found.parts.push({ part, span: span(element), value: valueOf(element) });
      }
      return true;
    });
    return found;
  }

  function readByFew(text, kinds) {
    const options = K.GlobalState.Default.ParseOptions.WithAlwaysProduceEndTokens(true);
    const tokens = P.TokenParser.ParseTokens(text, options);
    const root = P.SyntaxParsers.ParseFirst$1(K.Syntax.CommandBlock, grammarOf(kinds).CommandBlock, tokens);
    const tree = new K.Syntax.SyntaxTree(root);
    const told = listed(tree.Root.GetContainedDiagnostics()).map(diagnostic);
    return told.length ? null : read(root, text, told);
  }

  // One management command: its kind, where it stands, its named parts, what the parser had to skip, its words.
  function command(text, kinds) {
    const isCommand = K.KustoCode.GetKind(text) === "Command";
    let found = isCommand && kinds.length ? readByFew(text, kinds) : null;
    const after = found && found.skipped && text[found.skipped[0]];
    if (!found || !found.kind || (after && after !== ".")) {
      const code = K.KustoCode.Parse(text, K.GlobalState.Default);
      found = read(code.Syntax, text, diagnostics(code));
    }
    const words = found.extent ? tokens(text.slice(found.extent[0], found.extent[1])) : [];
    return { isCommand, words, ...found };
  }

  // The words of a text, without blanks and comments: two spellings that differ in those alone are one.
  const tokens = (text) => listed(K.Parsing.TokenParser.ParseTokens(text))
    .map((token) => token.Text).filter((word) => word !== "");

  // What a database has, as the parser's symbols.
  function globals(schema) {
    const members = [];
    for (const table of schema.tables) members.push(new S.TableSymbol.$ctor7(table.name, table.columns, ""));
    for (const view of schema.views)
      members.push(new S.MaterializedViewSymbol.$ctor3(view.name, view.columns, view.query, ""));
    for (const one of schema.functions)
      members.push(new S.FunctionSymbol.$ctor16(one.name, one.parameters, one.body, ""));
    const database = new S.DatabaseSymbol.ctor(schema.database, System.Array.init(members, S.Symbol));
    const cluster = new S.ClusterSymbol.ctor(schema.cluster, System.Array.init([database], S.DatabaseSymbol));
    return K.GlobalState.Default.WithCluster(cluster).WithDatabase(database);
  }

  const columnsOf = (type) => (type && type.Columns
    ? listed(type.Columns).map((column) => ({ name: column.Name, type: column.Type.Name })) : null);

  // One query in a database: what is wrong, what it reads, and the columns it gives (null: no table).
  function query(text, state) {
    const code = K.KustoCode.ParseAndAnalyze(text, state);
    const reads = {};
    walk(code.Syntax, (element) => {
      const symbol = element.ReferencedSymbol;
      if (!symbol) return true;
      const kind = symbol instanceof S.MaterializedViewSymbol ? "view"
        : symbol instanceof S.TableSymbol && state.IsDatabaseTable(symbol) ? "table"
        : symbol instanceof S.FunctionSymbol && state.IsDatabaseFunction(symbol) ? "function" : "";
      if (kind) reads[kind + " " + symbol.Name] = { kind, name: symbol.Name, span: span(element) };
      return true;
    });
    return { diagnostics: diagnostics(code), reads: Object.values(reads), columns: columnsOf(code.ResultType) };
  }

  let state = null;
  const asked = {
    command: (given) => command(given.text, given.kinds),
    tokens: (given) => tokens(given.text),
    database: (given) => { state = globals(given); return null; },
    query: (given) => query(given.text, state),
    kinds: () => listed(K.EngineCommands.All).map((one) => ({ name: one.Name, grammar: one.Grammar || "" })),
  };
  return (name, given) => {
    try {
      return JSON.stringify({ answer: asked[name](JSON.parse(given)) });
    } catch (error) {
      return JSON.stringify({ error: String(error && error.message || error).slice(0, 300) });
    }
  };
})();
