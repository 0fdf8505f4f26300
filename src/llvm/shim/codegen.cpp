// Code generation with stamping: every access to linear memory gets back, in
// the machine code, the debug location that it has in the IR.
//
// Instruction selection folds loads into their users and gives the result the
// user's location. What survives folding is the memory operand with its alias
// metadata, so each volatile access gets an alias scope of its own before
// selection, and a last machine pass reads it back.

#include "addressing.h"
#include "aligning.h"
#include "reaching.h"
#include "sitevalues.h"
#include "variables.h"
#include "versioning.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Analysis/RuntimeLibcallInfo.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/CodeGen/CodeGenTargetMachineImpl.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm-c/TargetMachine.h"

using namespace llvm;

// Mirrors `StampReport` in sys.rs.
struct Wasm2soStampReport {
  uint64_t accesses;   // machine instructions that touch linear memory
  uint64_t stamped;    // of those, got back the location of their access in the IR
  uint64_t calls;      // call instructions
  uint64_t violations; // accesses that are not stamped, calls without a location
  uint64_t labels;     // audit labels set
};

// Mirrors `Emission` in sys.rs.
struct Wasm2soEmission {
  bool label;     // a symbol at each instruction that touches memory
  bool variables; // there is debug information about variables
  bool stepwise;  // each wasm instruction has code of its own, in order
  bool sites;     // what happens in the order of the wasm has a column
};

namespace {

using ScopeMap = DenseMap<const MDNode *, DebugLoc>;

// The column of what happens in the order of the wasm; all else has none.
constexpr unsigned InOrder = 1;

// Whether x86 does `I` to bytes in wider lanes, in two halves.
bool isDoneInHalves(const BinaryOperator &I) {
  return I.getType()->getScalarSizeInBits() == 8 &&
         (I.isShift() || I.getOpcode() == Instruction::Mul);
}

// Whether a user of the vector `V` takes its lanes apart, or may be done in parts, of
// which not all may be needed.
bool movesLanes(const Value &V) {
  return any_of(V.users(), [](const User *U) {
    if (isa<BitCastInst>(U))
      return movesLanes(*U);
    if (auto *Binary = dyn_cast<BinaryOperator>(U))
      return isDoneInHalves(*Binary);
    return isa<ShuffleVectorInst, ExtractElementInst, InsertElementInst, CastInst>(U);
  });
}

// Whether the scalar `V` becomes a lane of a vector.
bool becomesLane(const Value &V) {
  return any_of(V.users(), [](const User *U) {
    return isa<InsertElementInst>(U) || (isa<BitCastInst>(U) && becomesLane(*U));
  });
}

// Keeps instruction selection from making loads of its own out of `I`, even of
// a volatile one. For x86 it folds a vector load into an instruction that widens
// lanes and then reads only those, so that an access that is partly out of
// bounds would not trap; and it loads a lane that is taken out of a splat anew,
// with the location of the extraction and no scope.
void keepWhole(Instruction &I, bool Extracts) {
  if (!isa<LoadInst>(I))
    return;
  if (I.getType()->isVectorTy() ? !movesLanes(I) : !Extracts || !becomesLane(I))
    return;
  auto *Whole = new FreezeInst(&I, "", std::next(I.getIterator()));
  Whole->setDebugLoc(I.getDebugLoc());
  I.replaceUsesWithIf(Whole, [&](Use &U) { return U.getUser() != Whole; });
}

// Gives each volatile access a scope of its own and remembers its location.
ScopeMap markAccesses(Module &M) {
  ScopeMap Scopes;
  LLVMContext &Context = M.getContext();
  MDBuilder Builder(Context);
  MDNode *Domain = Builder.createAnonymousAliasScopeDomain("wasm2so.sites");
  for (Function &F : M)
    for (BasicBlock &BB : F) {
      bool Extracts = any_of(BB, [](const Instruction &I) { return isa<ExtractElementInst>(I); });
      for (Instruction &I : BB) {
        if (!I.isVolatile())
          continue;
        wasm2so::takeOffAtomic(I);
        keepWhole(I, Extracts);
        if (!I.getDebugLoc())
          continue;
        MDNode *Scope = Builder.createAnonymousAliasScope(Domain);
        MDNode *List = MDNode::get(Context, {Scope});
        I.setMetadata(LLVMContext::MD_alias_scope, List);
        Scopes[List] = I.getDebugLoc();
      }
    }
  return Scopes;
}

// Of how many users of an address code generation finds out whether it can be part of
// their instructions; one with more becomes a register.
constexpr unsigned MostUsers = 100;

// Puts addresses of the instance's fields where they are used.
void sinkFields(Function &F) {
  if (F.arg_empty())
    return;
  for (User *U : make_early_inc_range(F.getArg(0)->users())) {
    auto *Field = dyn_cast<GetElementPtrInst>(U);
    if (!Field || !Field->hasAllConstantIndices() || !Field->hasNUsesOrMore(MostUsers))
      continue;
    for (Use &Place : make_early_inc_range(Field->uses())) {
      auto *User = cast<Instruction>(Place.getUser());
      if (isa<PHINode>(User))
        continue;
      Instruction *Own = Field->clone();
      Own->insertBefore(User->getIterator());
      Own->setDebugLoc(User->getDebugLoc());
      Place.set(Own);
    }
    if (Field->use_empty())
      Field->eraseFromParent();
  }
}

class StampPass : public MachineFunctionPass {
  const ScopeMap &Scopes;
  Wasm2soStampReport &Report;
  raw_ostream &Complaints;
  Wasm2soEmission How;

public:
  static char ID;
  StampPass(const ScopeMap &Scopes, Wasm2soStampReport &Report, raw_ostream &Complaints,
            Wasm2soEmission How)
      : MachineFunctionPass(ID), Scopes(Scopes), Report(Report), Complaints(Complaints), How(How) {}

  StringRef getPassName() const override { return "wasm2so stamping"; }

  void getAnalysisUsage(AnalysisUsage &AU) const override {
    AU.setPreservesAll();
    MachineFunctionPass::getAnalysisUsage(AU);
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    // Thunks have no subprogram and no sites.
    const DISubprogram *Subprogram = MF.getFunction().getSubprogram();
    if (!Subprogram)
      return false;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        visit(MI);
    // When accesses have their locations: one may be the first instruction.
    extendPrologue(MF.front(), Subprogram->getScopeLine());
    if (How.stepwise)
      for (MachineBasicBlock &MBB : MF)
        closeGaps(MBB);
    return true;
  }

private:
  // What comes before the first wasm instruction, such as storing parameters where
  // debuggers look for them, is part of the prologue: it gets no row of its own in
  // the line table. A debugger stops in a function at the row after the first.
  static void extendPrologue(MachineBasicBlock &Entry, unsigned Line) {
    for (MachineInstr &MI : Entry) {
      const DebugLoc &Location = MI.getDebugLoc();
      if (Location && (Location.getLine() != Line || Location.getInlinedAt()))
        return;
      if (!MI.isMetaInstruction())
        MI.setFlag(MachineInstr::FrameSetup);
    }
  }

  // Where the code of each wasm instruction begins with a `nop` of its own, what
  // code generation adds belongs to the instruction before it, or at the start of a
  // block to the one after it, so that debuggers do not stop there.
  static void closeGaps(MachineBasicBlock &MBB) {
    auto First = find_if(MBB, [](const MachineInstr &MI) { return bool(MI.getDebugLoc()); });
    DebugLoc Last = First == MBB.end() ? DebugLoc() : First->getDebugLoc();
    for (MachineInstr &MI : MBB) {
      if (MI.isMetaInstruction() || MI.getFlag(MachineInstr::FrameSetup))
        continue;
      if (MI.getDebugLoc())
        Last = MI.getDebugLoc();
      else
        MI.setDebugLoc(Last);
    }
  }

  void visit(MachineInstr &MI) {
    if (MI.isMetaInstruction())
      return;
    bool Access = false;
    // A read-modify-write faults in its read: the load's location wins.
    DebugLoc Chosen;
    for (const MachineMemOperand *MMO : MI.memoperands()) {
      if (!MMO->isVolatile())
        continue;
      Access = true;
      DebugLoc Own = locate(*MMO, MI.getDebugLoc());
      if (Own && (!Chosen || MMO->isLoad()))
        Chosen = Own;
    }
    if (Access) {
      ++Report.accesses;
      if (Chosen) {
        ++Report.stamped;
        MI.setDebugLoc(Chosen);
      }
    }
    if (MI.isCall())
      ++Report.calls;
    if (How.sites && (Access ? bool(Chosen) : MI.isCall() && seesMemory(MI)))
      setColumn(MI);
    bool Located = MI.getDebugLoc() && MI.getDebugLoc().getLine() != 0;
    // A location that LLVM left on an access may be that of its user.
    if (Access ? !Chosen || !Located : MI.isCall() && !Located) {
      ++Report.violations;
      Complaints << MI.getMF()->getName() << ": " << MI;
    }
    if (How.label && (Access || MI.mayLoadOrStore()) && !MI.getPreInstrSymbol())
      label(MI, Access ? "wasm2so.access." : isProved(MI) ? "wasm2so.proved." : "wasm2so.other.");
  }

  // Whether a call stays where it is among accesses to memory.
  static bool seesMemory(const MachineInstr &Call) {
    return none_of(Call.operands(), [](const MachineOperand &Operand) {
      auto *Callee = Operand.isGlobal() ? dyn_cast<Function>(Operand.getGlobal()) : nullptr;
      return Callee && Callee->doesNotAccessMemory();
    });
  }

  static void setColumn(MachineInstr &MI) {
    if (const DebugLoc &Own = MI.getDebugLoc())
      MI.setDebugLoc(DILocation::get(Own->getContext(), Own->getLine(), InOrder, Own->getScope(),
                                     Own->getInlinedAt()));
  }

  // Whether `MI` touches linear memory where `version-loops` proved that it may.
  // Selection drops the scopes of accesses that it puts together.
  static bool isProved(const MachineInstr &MI) {
    return any_of(MI.memoperands(), [](const MachineMemOperand *MMO) {
      return MMO->getAddrSpace() == wasm2so::MemoryInGs || wasm2so::isProved(MMO->getAAInfo().Scope);
    });
  }

  // Where the access of `MMO` is in the IR: by its scope; or, where selection
  // made an access anew without it (the store of an `fabs`, say), by its address,
  // if that tells one access from all others or `Left`, what LLVM left, is among
  // them.
  DebugLoc locate(const MachineMemOperand &MMO, const DebugLoc &Left) const {
    if (auto Site = Scopes.find(MMO.getAAInfo().Scope); Site != Scopes.end())
      return Site->second;
    if (!MMO.getValue())
      return {};
    SmallPtrSet<const DILocation *, 4> Sites;
    for (const User *U : MMO.getValue()->users())
      if (auto *I = dyn_cast<Instruction>(U);
          I && I->isVolatile() && getLoadStorePointerOperand(I) == MMO.getValue() &&
          isa<LoadInst>(I) == MMO.isLoad())
        Sites.insert(I->getDebugLoc());
    if (Sites.contains(Left))
      return Left;
    return Sites.size() == 1 ? DebugLoc(*Sites.begin()) : DebugLoc();
  }

  // Names the instruction's address in the symbol table.
  void label(MachineInstr &MI, StringRef Prefix) {
    MachineFunction &MF = *MI.getMF();
    uint64_t Number = Report.labels++;
    MI.setPreInstrSymbol(MF, MF.getContext().getOrCreateSymbol(Prefix + Twine(Number)));
  }
};

char StampPass::ID = 0;

// Passes after which code is larger or as fast as before, or changes with what is
// there for debuggers.
bool isLeftOut(StringRef Pass) {
  return StringSwitch<bool>(Pass)
      // It counts that as instructions between a `lea` and its use.
      .Case("X86 LEA Fixup", true)
      // Constants that take 64 bits are rare in wasm; those of addresses are part of them.
      .Case("Constant Hoisting", true)
      // Of accesses that are volatile nothing becomes a `memcmp`, and wasm calls no `sqrt`.
      .Cases({"Merge contiguous icmps into a memcmp", "Expand memcmp() to load/stores",
              "Partially inline calls to library functions"},
             true)
      // As many instructions are executed without them, here more, there fewer.
      .Cases({"Live Range Shrink", "Machine Loop Invariant Code Motion"}, true)
      .Cases({"Machine Copy Propagation Pass", "Machine Late Instructions Cleanup Pass"}, true)
      .Cases({"X86 Domain Reassignment Pass", "X86 Byte/Word Instruction Fixup"}, true)
      .Default(false);
}

// Leaves out passes, puts an analysis in the place of LLVM's, and runs what keeps
// variables from changing code around the one where they would.
class CodegenPasses : public legacy::PassManager {
public:
  void add(Pass *P) override {
    if (isLeftOut(P->getPassName()))
      return delete P;
    if (P->getPassName() == "X86 Execution Dependency Fix")
      legacy::PassManager::add(wasm2so::reachingDefinitions());
    auto [Before, After] = wasm2so::hideVariables(P->getPassName());
    if (Before)
      legacy::PassManager::add(Before);
    legacy::PassManager::add(P);
    if (After)
      legacy::PassManager::add(After);
  }
};

} // namespace

// Emits `ModuleRef` as assembly (FileType 0) or an object (1).
//
// Returns 0 and the bytes in `Output`, or 1 when the target has no such
// output. `Complaints` receives a line per violation. The symbols of `How.label`
// say whether the access was classified as a site, for an audit of the finished
// file.
extern "C" int wasm2so_emit(LLVMModuleRef ModuleRef, LLVMTargetMachineRef MachineRef,
                            int FileType, Wasm2soEmission How,
                            Wasm2soStampReport *Report,
                            LLVMMemoryBufferRef *Output, LLVMMemoryBufferRef *Complaints) {
  Module &M = *unwrap(ModuleRef);
  auto &TM = static_cast<CodeGenTargetMachineImpl &>(
      *reinterpret_cast<TargetMachine *>(MachineRef));

  for (Function &F : M)
    sinkFields(F);
  ScopeMap Scopes = markAccesses(M);
  // Code that is not optimised does all in order.
  bool Check = How.variables && TM.getOptLevel() != CodeGenOptLevel::None;
  wasm2so::SiteValues Values;
  if (Check)
    Values.note(M);
  SmallVector<char, 0> Bytes;
  raw_svector_ostream Out(Bytes);
  std::string ComplaintText;
  raw_string_ostream ComplaintStream(ComplaintText);

  // The steps of CodeGenTargetMachineImpl::addPassesToEmitFile, plus ours.
  CodegenPasses PM;
  // Without these, code generation knows of no memcpy and expands it to loops.
  PM.add(new TargetLibraryInfoWrapperPass(TM.getTargetTriple()));
  PM.add(new RuntimeLibraryInfoWrapper(TM.getTargetTriple()));
  auto *MMIWP = new MachineModuleInfoWrapperPass(&TM);
  TargetPassConfig *Config = TM.createPassConfig(PM);
  Config->setDisableVerify(true);
  PM.add(Config);
  PM.add(MMIWP);
  // A tenth of the time each, on code that carries no variables or runs on
  // processors that reorder instructions themselves.
  if (!How.variables)
    Config->disablePass(&LiveDebugValuesID);
  Config->disablePass(&PostRASchedulerID);
  // It takes the alias scopes off all accesses of a function in which it merges
  // two slots; ours are few: only those of calls with several results.
  Config->disablePass(&StackColoringLegacyID);
  bool Folds = TM.getOptLevel() != CodeGenOptLevel::None;
  if (Folds)
    Config->insertPass(&PeepholeOptimizerLegacyID, wasm2so::foldAddresses());
  if (Config->addISelPasses())
    return 1;
  Config->addMachinePasses();
  Config->setInitialized();
  if (How.variables)
    PM.add(wasm2so::endVariables());
  if (Check)
    PM.add(Values.check());
  if (Folds) {
    PM.add(wasm2so::narrowAddresses());
    PM.add(wasm2so::alignLoops());
  }
  PM.add(new StampPass(Scopes, *Report, ComplaintStream, How));
  CodeGenFileType Type = FileType == 0 ? CodeGenFileType::AssemblyFile : CodeGenFileType::ObjectFile;
  if (TM.addAsmPrinter(PM, Out, nullptr, Type, MMIWP->getMMI().getContext()))
    return 1;
  PM.add(createFreeMachineFunctionPass());
  PM.run(M);

  *Output = wrap(MemoryBuffer::getMemBufferCopy(StringRef(Bytes.data(), Bytes.size())).release());
  *Complaints = wrap(MemoryBuffer::getMemBufferCopy(ComplaintText).release());
  return 0;
}

// The features that `Cpu` plus `Features` switch on, comma-separated, or null
// when the target knows no such processor.
extern "C" LLVMMemoryBufferRef wasm2so_cpu_features(const char *TripleText, const char *Cpu,
                                                    const char *Features) {
  std::string Error;
  Triple TT(TripleText);
  const Target *T = TargetRegistry::lookupTarget(TT, Error);
  std::unique_ptr<MCSubtargetInfo> Info(T ? T->createMCSubtargetInfo(TT, "", "") : nullptr);
  if (!Info || !Info->isCPUStringValid(Cpu))
    return nullptr;
  Info.reset(T->createMCSubtargetInfo(TT, Cpu, Features));
  std::string Text;
  for (const SubtargetFeatureKV &Feature : Info->getEnabledProcessorFeatures())
    Text += (Text.empty() ? "" : ",") + std::string(Feature.Key);
  return wrap(MemoryBuffer::getMemBufferCopy(Text).release());
}
