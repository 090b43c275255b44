// What Sluice asks of Microsoft's parser, as functions that take and return JSON.
// No error leaves this file: one that did would print a line of a megabyte (the parser's own, minified).
"use strict";
var sluice = (function () {
  const K = Kusto.Language, S = K.Symbols;

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

  const diagnostics = (code) => listed(code.GetDiagnostics()).map((one) => ({
    start: one.Start, end: one.Start + one.Length,
    code: one.Code, severity: one.Severity, message: one.Message,
  }));

  const nameOf = (element) => (element.SimpleName !== undefined ? element.SimpleName : element.Text) || "";

  function valueOf(element) {
    return element.LiteralValue !== undefined && element.LiteralValue !== null
      ? String(element.LiteralValue) : element.toString().trim();
  }

  // One management command: its kind, its named parts, and what the parser had to skip.
  function command(text) {
    const code = K.KustoCode.Parse(text, K.GlobalState.Default);
    let kind = "", skipped = null;
    const parts = [];
    walk(code.Syntax, (element) => {
      if (element.CommandKind && !kind) kind = element.CommandKind;
      if (element.Kind === K.Syntax.SyntaxKind.SkippedTokens) {
        if (element.Width) skipped = span(element);
        return false;
      }
      const part = element.NameInParent;
      if (!part || element.IsToken) return true;
      if (part === "FunctionName" || part === "TableName" || part === "MaterializedViewName"
          || part === "SourceTableName" || part === "PropertyName" || part === "ColumnName") {
        parts.push({ part, span: span(element), value: nameOf(element) });
        return false;
      }
      if (part === "Body" || part === "SourceBody" || part === "ViewBody") {
        parts.push({ part, span: span(element), value: "" });
        return false;
      }
      if (part !== "Statements" && part !== "Expression" && part !== "Command" && part !== "Custom") {
        parts.push({ part, span: span(element), value: valueOf(element) });
      }
      return true;
    });
    return { isCommand: code.Kind === "Command", kind, skipped, parts, diagnostics: diagnostics(code) };
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
    command: (given) => command(given.text),
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
