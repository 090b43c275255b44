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

  const BODIED = "CreateOrAlterFunction";

  // The parsers of some kinds of commands, made once: the whole grammar tries every command that there is, a
  // tenth of a second for each text. Who gets no answer by the few asks all of them.
  let all = null;
  function parsersOf(kinds) {
    if (!all) {
      const proto = P.EngineCommandGrammar.prototype, own = proto.CreateCommandParsers;
      proto.CreateCommandParsers = function (rules) {
        all = own.call(this, rules);
        return System.Array.init([], P.CommandGrammar.CommandParserInfo);
      };
      try {
        new P.EngineCommandGrammar(K.GlobalState.Default);
      } finally {
        proto.CreateCommandParsers = own;
      }
    }
    return all.filter((info) => kinds.includes(info.Kind));
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
    for (const info of parsersOf(kinds)) {
      const found = P.SyntaxParsers.ParseFirst$1(K.Syntax.Command, info.Parser, tokens);
      if (found && !found.ContainsSyntaxDiagnostics)
        return read(new K.Syntax.SyntaxTree(found).Root, text, []);
    }
    return null;
  }

  // Where the body of a function stands, by the parser's own tokens: from its first brace to the one that
  // closes it.
  function bodyOf(text) {
    let place = 0, depth = 0, start = -1;
    for (const token of listed(P.TokenParser.ParseTokens(text))) {
      const at = place + token.Trivia.length, word = token.Text;
      if (word === "(" || word === "{") {
        if (word === "{" && !depth) start = at;
        depth++;
      } else if (word === ")" || word === "}") {
        depth--;
        if (depth <= 0 && start >= 0) return [start, at + 1];
      }
      place += token.Length;
    }
    return null;
  }

  // A function, read without its body, which the grammar of commands takes five times as long for as that of
  // queries; who asks for the function's query has it read there.
  function readWithoutBody(text, kinds) {
    const body = bodyOf(text);
    if (!body) return null;
    const found = readByFew(text.slice(0, body[0]) + "{0}" + text.slice(body[1]), kinds);
    const part = found && found.parts.find((one) => one.part === "Body" && one.span[0] === body[0]);
    if (!part || found.extent[1] !== body[0] + 3) return null;
    part.span = body;
    found.extent[1] = body[1];
    return found;
  }

  // One management command: its kind, where it stands, its named parts, what the parser had to skip, its words.
  function command(text, kinds) {
    const isCommand = K.KustoCode.GetKind(text) === "Command";
    let found = null;
    if (isCommand && kinds.includes(BODIED)) found = readWithoutBody(text, [BODIED]);
    if (isCommand && kinds.length && !found) found = readByFew(text, kinds);
    if (!found || !found.kind || found.extent[0]) {
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
    return K.GlobalState.Default.WithCluster(cluster).WithDatabase(database).WithCache();
  }

  const columnsOf = (type) => (type && type.Columns
    ? listed(type.Columns).map((column) => ({ name: column.Name, type: column.Type.Name })) : null);

  const kindNames = {};
  for (const name of Object.keys(K.Syntax.SyntaxKind)) kindNames[K.Syntax.SyntaxKind[name]] = name;
  const returnKinds = {};
  for (const name of Object.keys(S.ReturnTypeKind)) returnKinds[S.ReturnTypeKind[name]] = name;

  // Kusto's own functions, and which of them give an entity by its name: a table, a database, a cluster.
  const builtins = {};
  function builtin(name) {
    if (!builtins.known)
      builtins.known = Object.fromEntries(listed(K.Functions.All).map((one) => [one.Name,
        listed(one.Signatures).some((way) => /^Parameter0(?!$|Literal|Promoted|Array)/.test(returnKinds[way.ReturnKind]))
        || one.Name.startsWith("__")]));
    return builtins.known[name];
  }

  const told = /(?:Operator|Statement|(?:Table|Data|Group|Combine|Scope)Expression)$/;
  const unnamed = /^(?:Union|Find|Search)Operator$|^RestrictStatement$/;

  // What of a database a symbol is: a table, a view or a function, or nothing that the database has.
  function entityOf(symbol, state) {
    if (!symbol) return "";
    if (symbol instanceof S.MaterializedViewSymbol) return "view";
    if (symbol instanceof S.TableSymbol && state.IsDatabaseTable(symbol)) return "table";
    return symbol instanceof S.FunctionSymbol && state.IsDatabaseFunction(symbol) ? "function" : "";
  }

  const originsOf = sluiceOrigins({ S, K, listed, nameOf, kindNames, entityOf });
  // Functions that give another value each moment.
  const moving = ["now", "ago"];

  // One query in a database: what is wrong, what it reads, what of the language it uses that may reach further,
  // and the columns that it gives (null: no table).
  function query(text, state) {
    const code = K.KustoCode.ParseAndAnalyze(text, state);
    if (!code.HasSemantics) throw new Error("the text is nested too deep");
    const reads = {}, uses = {};
    const use = (what, name, element, rest) => {
      const key = [what, name, JSON.stringify(rest || 0)].join(" ");
      if (!uses[key]) uses[key] = { what, name, span: span(element), given: 0, named: [], ...rest };
    };
    const read = (kind, symbol, element) => {
      const key = kind + " " + symbol.Name;
      if (!reads[key]) reads[key] = { kind, name: symbol.Name, span: span(element) };
    };
    // `within` is the kind of operator or statement that an element stands in.
    function visit(element, within) {
      const kind = kindNames[element.Kind];
      const own = entityOf(element.ReferencedSymbol, state);
      if (own) read(own, element.ReferencedSymbol, element);
      if (told.test(kind)) {
        use("syntax", kind, element);
        const piped = element.Parent && kindNames[element.Parent.Kind] === "PipeExpression";
        if ((kind === "SearchOperator" || kind === "FindOperator") && !element.InClause && !piped)
          use("all", kind, element);
        if (kind !== "ExpressionStatement") within = kind;
      }
      if (/WildcardedName$/.test(kind) && unnamed.test(within)) use("all", within, element);
      if (kind === "FunctionCallExpression") {
        const name = nameOf(element.Name);
        if (element.Parent && kindNames[element.Parent.Kind] === "EvaluateOperator") {
          const all = given(element), named = all.filter((one) => kindNames[one.Kind] === "SimpleNamedExpression");
          use("plugin", name, element, { given: all.length, named: named.map((one) => nameOf(one.Name)) });
        } else if (moving.includes(name)) {
          use("now", name, element);
        } else if (builtin(name)) {
          const entity = entityOf(element.ResultType, state);
          if (entity && (name === "table" || name === "materialized_view")) read(entity, element.ResultType, element);
          else {
            const first = given(element)[0];
            use("call", name, element, { given: first && first.IsLiteral ? 1 : 0 });
          }
        }
      }
      for (let i = 0; i < element.ChildCount; i++) {
        const child = element.GetChild(i);
        if (child) visit(child, within);
      }
    }
    visit(code.Syntax, "");
    const declared = only(code.Syntax);
    const body = declared && kindNames[declared.Kind] === "FunctionDeclaration" && declared.Body.Expression;
    const found = diagnostics(code);
    if (body === null && !found.length)
      found.push({ start: span(declared.Body)[0], end: span(declared.Body)[1], code: "KS", severity: "Error", message: "The function has no query" });
    return {
      diagnostics: found, reads: Object.values(reads), uses: Object.values(uses),
      columns: columnsOf(body ? body.ResultType : code.ResultType), origins: originsOf(code, state),
      ends: lastOperator(code.Syntax),
    };
  }

  // The kind of the operator that a query ends with.
  function lastOperator(root) {
    const last = listed(root.Statements).map((one) => one.Element).pop(), found = last && last.Expression;
    return found && kindNames[found.Kind] === "PipeExpression" ? kindNames[found.Operator.Kind] : "";
  }

  // The expression of a text that is one statement.
  function only(root) {
    const statements = listed(root.Statements);
    return statements.length === 1 && statements[0].Element && statements[0].Element.Expression;
  }

  // The function that a text calls with literals, names and moments alone, if it does nothing else; nothing of a
  // database is known.
  function call(text) {
    const code = K.KustoCode.Parse(text, K.GlobalState.Default);
    const found = code.Kind === "Query" && !listed(code.GetDiagnostics()).length && only(code.Syntax);
    if (!found || kindNames[found.Kind] !== "FunctionCallExpression") return "";
    if (span(found)[1] !== text.trimEnd().length) return "";  // a comment would swallow what is asked of it
    return given(found).every(isPlain) ? nameOf(found.Name) : "";
  }

  const given = (called) => listed(called.ArgumentList.Expressions).map((one) => one.Element);

  function isPlain(one) {
    const kind = kindNames[one.Kind];
    if (kind === "SimpleNamedExpression") return isPlain(one.Expression);
    if (kind === "FunctionCallExpression") return moving.includes(nameOf(one.Name)) && given(one).every(isPlain);
    return one.IsLiteral || ["DynamicExpression", "UnaryMinusExpression", "NameReference"].includes(kind);
  }

  let state = null;
  const asked = {
    command: (given) => command(given.text, given.kinds),
    tokens: (given) => tokens(given.text),
    database: (given) => { state = globals(given); return null; },
    query: (given) => query(given.text, state),
    few: (given) => readByFew(given.text, given.kinds),
    call: (given) => call(given.text),
    builtins: () => listed(K.Functions.All).map((one) => one.Name),
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
