#[path = "common/baseline.rs"] mod baseline;
#[path = "common/emoji/mod.rs"] mod emoji;
use std::time::Instant;
use std::sync::atomic::AtomicBool;
use baseline::*;
use coembed::recipes::relmargin::*;
use coembed::train::*;
use dfdx::prelude::Cpu;
use rayon::prelude::*;
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn get<T: std::str::FromStr>(k:&str,d:T)->T{ std::env::args().find_map(|a|a.strip_prefix(&format!("{k}=")).and_then(|v|v.parse().ok())).unwrap_or(d)}
struct Obs(Instant);
impl Observer for Obs { fn epoch_ends(&mut self,e:usize,n:&[(String,f64)]){ if get("v",0)>0 && (e+1)%get("v",1)==0 { let f=|k:&str|n.iter().find(|x|x.0==k).map_or(f64::NAN,|x|x.1);
  println!("  e{e} loss {:.3} hard {:.3} ndcg {:.4} map {:.4} verb {:.3} noun {:.3} t {:.1}",f("loss"),f("hardness"),f("action/nDCG/avg"),f("action/mAP/avg"),f("verb/mAP/avg"),f("noun/mAP/avg"),self.0.elapsed().as_secs_f32());}}}
fn main(){
 let split = if get("split",0)==0 {emoji::Split::Random} else {emoji::Split::UnseenAction};
 let test=get("test",0)==1;
 let t=Instant::now(); let d=emoji::load(split,0).unwrap(); println!("load {:?}",t.elapsed());
 let evals=[("val",&d.validation),("test",&d.test)]; let evals=&evals[..if test{2}else{1}];
 for seed in 0..get("bseeds",0){ let t=Instant::now();
  let o=BaselineOptions{seed,..Default::default()};
  let m=TwoTowers::train(&d.train,&o).unwrap(); let dt=t.elapsed();
  for (n,e) in evals { println!("base {seed} {n} {:.4?} {dt:?}",m.evaluate(e).unwrap()); } }
 let rels: Vec<bool>= if get("rel",2)==2 {vec![false,true]} else {vec![get("rel",2)==1]};
 let runs: Vec<(bool,u64)> = rels.iter().flat_map(|r|(0..get("seeds",1u64)).map(|s|(*r,s))).collect();
 let tt=Instant::now();
 runs.par_iter().for_each(|(rel,seed)|{ let t=Instant::now();
  let o=Options{dataset:Dataset::Emoji,rel_margin:*rel,all_noun_classes:true,embedding_size:get("e",96),learning_rate:get("lr",0.05),num_triplets:get("k",3),triplet_sampling_rate:get("rate",1),num_epochs:get("ep",20),batch_size:get("b",64),margin:get("m",1.0),tt_weight:get("tt",0.0),vv_weight:get("vv",0.0),verb_weight:get("vw",1.0),noun_weight:get("nw",1.0),action_weight:get("aw",1.0),vt_weight:get("vt",1.0),cosine:get("cos",0)==1,seed:*seed,..Options::default()};
  o.check().unwrap();
  let dev=Cpu::default(); let mut model=<JposeModel<Cpu> as RelMarginModel<Cpu>>::fresh(&o,emoji::VIDEO_WIDTH,emoji::WORD_WIDTH,&dev).unwrap();
  let mut task=<JposeModel<Cpu> as RelMarginModel<Cpu>>::task(&o,&dev,&d.train,&d.validation).unwrap();
  let mut opt=Sgd::new(SgdConfig{learning_rate:o.learning_rate,momentum:o.momentum,groups:vec![]});
  Fit{epochs:o.num_epochs,..Fit::default()}.run(&mut task,&mut model,&mut opt,Progress::default(),&mut Obs(t),&AtomicBool::new(false)).unwrap();
  for (n,e) in evals { let ev=RelMarginModel::<Cpu>::evaluate(&model,&o,&dev,e).unwrap(); println!("jpose rel={rel} {seed} {n} {:.4?} {:?}",Scores::from(&ev.caption),t.elapsed()); }
 }); println!("all {:?}",tt.elapsed());
}
