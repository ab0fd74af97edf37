//! Sparse tensors, made dense: the graph knows no others.

use super::Options;
use super::proto::SparseTensorProto;
use super::tensor;
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::verify;
use crate::pass::fold::Folder;
use crate::tensor::{Data, Tensor};
use crate::types::{Dim, Shape, Type};

/// The dense constant. Its elements come out of the budget of `folder`.
pub(super) fn constant(proto: &SparseTensorProto, folder: &mut Folder) -> Result<Constant, Diagnostic> {
    let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
        return Err(damaged("", "it has no values or no indices"));
    };
    let damaged = |why: &str| damaged(&values.name, why);
    let dense = |tensor| tensor::constant(tensor, &Options::default()).map(|c: Constant| c.tensor());
    let (Some(elements), Some(places)) = (dense(values)?, dense(indices)?) else {
        return Err(damaged("its elements are in another file"));
    };
    let dims: Option<Vec<Dim>> = proto.dims.iter().map(|&d| u64::try_from(d).ok().map(Dim::Static)).collect();
    let ty = Type::new(elements.dtype(), Shape(dims.ok_or_else(|| damaged("a dimension is negative"))?));
    verify::check_size(&ty).map_err(|d| d.at_item(&*values.name))?;
    let shape = ty.shape.fixed().ok_or_else(|| damaged("its dimensions are too large"))?;
    let count: usize = shape.iter().product();
    if !folder.afford(count as u64, elements.data().len() as u64) {
        return Err(damaged(&format!("it has {count} elements, which is too many for a sparse tensor")));
    }
    let all = places.to_i64s().ok_or_else(|| damaged("its indices are no integers"))?;
    let axes = if places.shape().len() == 2 { shape.len() } else { 1 };
    let bounds = if places.shape().len() == 2 { shape.clone() } else { vec![count] };
    if all.len() != elements.data().len() * axes {
        return Err(damaged("it has not as many indices as elements"));
    }
    let mut data = Data::zeros(ty.dtype, count);
    for (i, place) in all.chunks(axes.max(1)).enumerate() {
        let at = place
            .iter()
            .zip(&bounds)
            .try_fold(0usize, |at, (&p, &n)| usize::try_from(p).ok().filter(|&p| p < n).map(|p| at * n + p));
        let at = at.ok_or_else(|| damaged("an index lies outside of it"))?;
        data.write(at, &elements.data().slice(i, 1));
    }
    let tensor = Tensor::new(ty.dtype, shape, data);
    tensor.map(|t| t.to_constant()).ok_or_else(|| damaged("its elements do not fit its shape"))
}

fn damaged(name: &str, why: &str) -> Diagnostic {
    Diagnostic::new("onnx-tensor", "a sparse tensor cannot be read")
        .because(why)
        .help("the file is corrupt, or export the model with dense weights")
        .at_item(name)
}
